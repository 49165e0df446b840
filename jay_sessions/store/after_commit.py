"""What the app does once a change is committed, such as to send its signals."""

from collections.abc import Callable

from django.db import connections, router, transaction
from django.dispatch import Signal

from ..models import TrackingSession


def send_after_commit(signal: Signal, session: TrackingSession) -> None:
    """Send the signal now, or after the commit of the caller's transaction."""

    def send() -> None:
        signal.send_robust(TrackingSession, session=session)

    after_commit(router.db_for_write(TrackingSession), send)


def after_commit(alias: str, work: Callable[[], None]) -> None:
    """Call `work` now, or after the commit of the caller's transaction."""
    connection = connections[alias]
    if connection.in_atomic_block or not connection.settings_dict["AUTOCOMMIT"]:
        transaction.on_commit(work, using=alias)
    else:
        # Django's `on_commit` would open a connection only for this.
        work()
