"""Notes of erased users, as keyed hashes: an import or a backup may bring their old sessions back."""

import datetime
from collections.abc import Iterable

from django.db import models, router

from .. import conf
from ..core.batches import batched
from ..database import clock
from .sessions import TrackingSession

_BATCH = 1000


class ErasedUser(models.Model):
    """A note that a user was erased. It does not contain the user's id.

    `digest` is a keyed hash of one form of the id (`user_ids.erasure_digest`).
    """

    digest = models.CharField(max_length=64, primary_key=True)
    erased_at = models.DateTimeField()

    class Meta:
        db_table = "jay_erased_user"


def note(user_id: str) -> None:
    """Note that the user is erased as of now. Call it in the transaction that erases the sessions.

    `user_id` is the plain id or a stored form of it.
    """
    now = clock.now(_alias())
    notes = [
        ErasedUser(digest=digest, erased_at=now) for digest in conf.get().user_ids.erasure_notes(user_id)
    ]
    ErasedUser.objects.using(_alias()).bulk_create(
        notes, update_conflicts=True, unique_fields=["digest"], update_fields=["erased_at"]
    )


def latest() -> datetime.datetime | None:
    """Return the time of the last erasure of any user; None if there was none."""
    times = ErasedUser.objects.using(_alias()).order_by("-erased_at").values_list("erased_at", flat=True)
    return times.first()


def times(user_ids: Iterable[str]) -> dict[str, datetime.datetime]:
    """Return the time of erasure for each of these users that was erased, by the given id, in any form."""
    if latest() is None:
        return {}
    settings = conf.get()
    digests = {
        digest: user_id for user_id in user_ids for digest in settings.user_ids.erasure_digests(user_id)
    }
    erased: dict[str, datetime.datetime] = {}
    for batch in batched(digests, _BATCH):
        notes = ErasedUser.objects.using(_alias()).filter(pk__in=batch)
        for digest, erased_at in notes.values_list("digest", "erased_at"):
            user_id = digests[digest]
            erased[user_id] = max(erased_at, erased.get(user_id, erased_at))
    return erased


def _alias() -> str:
    # The same database as the sessions', so that one transaction covers both.
    return router.db_for_write(TrackingSession)
