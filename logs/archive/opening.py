"""Which archive the settings want."""

from core.settings import Settings
from logs.archive.archive import Archive
from logs.archive.days import DayFiles
from logs.archive.postgres import PostgresArchive


def open_archive(settings: Settings) -> Archive | None:
    """None where they want none."""
    if settings.log_archive == "none":
        return None
    return PostgresArchive(settings) if "://" in settings.log_archive else DayFiles(settings)
