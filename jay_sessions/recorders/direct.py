"""The recorder that inserts in the request: one session, one row, one commit."""

from ..models import TrackingSession
from ..store import available


def record(session: TrackingSession) -> None:
    """Return once the row is committed (inside the caller's own transaction: once it is written).

    Raises StoreUnavailable where that is not known to have happened: nothing is stored then, unless
    the connection broke in the middle of the commit.
    """
    with available():
        session.save(force_insert=True)
