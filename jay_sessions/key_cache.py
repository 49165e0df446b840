"""API keys as this process knows them: looked up once, used for a few seconds, forgotten at any change.

A change that this process makes is seen at once, one that another process makes within `MAX_AGE`;
expiry is exact, since it is told from the key each time.
"""

import threading
from time import monotonic
from typing import Any

from django.db import DatabaseError, router, transaction
from django.db.models.signals import post_delete, post_save
from django.views.decorators.debug import sensitive_variables

from . import api_keys
from .models import ApiKey
from .querysets import keys_changed

MAX_AGE = 5.0
"""Seconds that a key is used without asking the database again."""

RENEWED_AFTER = MAX_AGE / 2
"""Seconds after which one request asks again, while all others go on with what is known."""

MAX_KEYS = 1000
"""Keys that are remembered; only such as exist, so a client cannot fill the memory with made-up ones."""


class Entry:
    """A key, and when it was looked up, by the clock of `time.monotonic`."""

    __slots__ = ("is_being_renewed", "key", "looked_up_at")

    def __init__(self, key: ApiKey, looked_up_at: float) -> None:
        self.key, self.looked_up_at = key, looked_up_at
        self.is_being_renewed = False


changes = 0
"""How often keys were changed and so forgotten in this process: what is known of a key holds no longer."""

_lock = threading.Lock()
_known: dict[str, Entry] = {}


def known(digest: str) -> Entry | None:
    """Return the key with this digest if it was looked up in the last `MAX_AGE` seconds, else None.

    After `RENEWED_AFTER` of them, one caller gets None as well: to call `find`, so that the others need not.
    """
    entry = _known.get(digest)
    if entry is None:
        return None
    age = monotonic() - entry.looked_up_at
    if age >= MAX_AGE:
        return None
    if age >= RENEWED_AFTER and not entry.is_being_renewed:
        entry.is_being_renewed = True
        return None
    return entry


@sensitive_variables("text")
def find(text: str) -> ApiKey | None:
    """Return the key with this text, revoked or not; None where there is none.

    What the database raises passes through, once the key has not been looked up for `MAX_AGE` seconds.
    """
    if not api_keys.has_form(text):
        return None
    digest = api_keys.digest(text)
    # Before the query: what it finds may be outdated by the time it arrives, but never older.
    now, changes_before = monotonic(), changes
    entry = _known.get(digest)
    if entry is not None and now - entry.looked_up_at < RENEWED_AFTER:
        return entry.key
    # By digest: a manager's methods hold their arguments where an error report would show them.
    try:
        key = ApiKey.objects.with_digest(digest)
    except DatabaseError:
        if entry is None or now - entry.looked_up_at >= MAX_AGE:
            raise
        return entry.key
    with _lock:
        # A change since then may have come after what the query saw.
        if key is not None and changes == changes_before:
            while len(_known) >= MAX_KEYS:
                del _known[next(iter(_known))]
            _known[digest] = Entry(key, now)
    return key


def forget() -> None:
    """Forget all keys; what look-ups under way will find is not remembered either."""
    global changes  # noqa: PLW0603 (one count for the process)
    with _lock:
        changes += 1
        _known.clear()


def _forget(**kwargs: Any) -> None:
    forget()
    # Once more after the commit: until then, others still read the key as it was.
    transaction.on_commit(forget, using=router.db_for_write(ApiKey))


for _signal in (post_save, post_delete):
    _signal.connect(_forget, sender=ApiKey, dispatch_uid="jay_sessions.key_cache")
keys_changed.connect(_forget, dispatch_uid="jay_sessions.key_cache")
