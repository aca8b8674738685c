"""What a process cannot wait for: a database on which it cannot run until somebody changes something."""

from core.model.errors import HopstreamError


class StoreUnusable(HopstreamError):
    code = "store_unusable"
    status = 503
    title = "The database cannot be used"


class SchemaTooNew(StoreUnusable):
    """A later release has taken something away from the schema that this code needs."""

    code = "schema_too_new"
    title = "The database's schema is too new for this release"
