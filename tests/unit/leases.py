"""A lease for tests that are about something else."""

from time import monotonic

from core.turns.lease import Lease
from tests.patience import PATIENCE_SECONDS


def lasting_lease() -> Lease:
    """One that a slow machine does not let run out in the middle of a test."""
    lease = Lease()
    lease.renew(monotonic() + 10 * PATIENCE_SECONDS)
    return lease
