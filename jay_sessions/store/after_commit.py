"""Sends the app's signals once the change is committed."""

from django.db import connections, router, transaction
from django.dispatch import Signal

from ..models import TrackingSession


def send_after_commit(signal: Signal, session: TrackingSession) -> None:
    """Send the signal now, or after the commit of the caller's transaction."""

    def send() -> None:
        signal.send_robust(TrackingSession, session=session)

    connection = connections[router.db_for_write(TrackingSession)]
    if connection.in_atomic_block or not connection.settings_dict["AUTOCOMMIT"]:
        transaction.on_commit(send, using=connection.alias)
    else:
        # Django's `on_commit` would open a connection only for this.
        send()
