"""Ends of sessions for tests, stored as another process would."""

import contextlib
import uuid

from jay_sessions import sessions
from jay_sessions.exceptions import NoSession
from jay_sessions.models import EndedSession, Reason, TrackingSession
from jay_sessions.models.ended import ends_stored

from ..conftest import PLAYOUT


def start(playout=PLAYOUT, user_id=None):
    """Start a session; gives its id and its token."""
    started = sessions.start(playout, user_id)
    return uuid.UUID(started.token.session_id), started.encoded


def is_valid(token):
    try:
        sessions.read([token])
    except NoSession:
        return False
    return True


def end(ended_at, *rows, reason=Reason.CLIENT):
    """End these sessions (rows or ids) at a time; None ends nothing."""
    if ended_at is not None:
        EndedSession.objects.store(
            EndedSession(session_id=getattr(row, "pk", row), ended_at=ended_at, reason=reason) for row in rows
        )


@contextlib.contextmanager
def elsewhere():
    """What is stored in the block is not known to this process, as if another one had stored it."""
    receivers, ends_stored.receivers = ends_stored.receivers, []
    ends_stored.sender_receivers_cache.clear()
    try:
        yield
    finally:
        ends_stored.receivers = receivers
        ends_stored.sender_receivers_cache.clear()


def forget_sessions():
    """Remove all sessions and their ends, so that nothing is left of them."""
    TrackingSession.objects.all().drop()
    EndedSession.objects.all().delete()
