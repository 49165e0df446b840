"""Purges sessions older than `RETENTION`, and anonymizes a user's sessions."""

import datetime
import itertools
import time
from collections.abc import Iterable, Iterator

from django.db import router, transaction
from django.db.models import Exists, OuterRef, QuerySet

from . import conf
from .analytics import site_days, statistics
from .core.identifiers import clean_user_id
from .core.uuid7 import moment_of
from .database import clock, keyset
from .database.clock import DatabaseNow
from .database.errors import translating_errors
from .exceptions import InvalidUserId
from .models import (
    EndedSession,
    LinkedZephrSession,
    Reason,
    TrackingSession,
    TrackingSessionQuerySet,
    erased_users,
)
from .models.ended import valid_from
from .store import partitions

BATCH = 1000
"""The most rows that one transaction deletes or changes."""

_ONE_DAY = datetime.timedelta(days=1)


def purge_limit() -> datetime.datetime | None:
    """Return the aware time before which sessions are purged; None if no session is to be purged.

    It is `RETENTION` plus `clock.MARGIN` ago, by the database's clock. It is earlier if days are not counted
    yet: a day's sessions stay until it is counted to its end (`rollups.run`), and so do those of the day
    before it, which its count may still need. Raises StoreUnavailable.
    """
    retention, counted = conf.get().retention, statistics.rolled_up_until(primary=True)
    if retention is None or counted is None:
        return None
    # Without the margin, a host with a slow clock takes an ended session for valid once its row is gone.
    oldest = clock.now(router.db_for_write(TrackingSession)) - retention - clock.MARGIN
    return min(oldest, site_days.start_of(site_days.day_of(counted) - _ONE_DAY))


def drop_partitions(limit: datetime.datetime | None) -> int:
    """Drop the partitions for sessions that started before `limit`, and return how many.

    The ends go with them, and so do linked Zephr sessions without a session. With plain tables or without a
    limit, nothing is dropped; interrupted drops are finished all the same. Raises StoreUnavailable.
    """
    dropped = partitions.drop(router.db_for_write(TrackingSession), limit)
    if dropped and limit is not None:
        for _ in _unhurried(_purge_zephr_sessions(limit)):
            pass
    return dropped


def sessions_to_purge(limit: datetime.datetime) -> TrackingSessionQuerySet:
    """Return the sessions that started before `limit`, an aware time."""
    return TrackingSession.objects.primary().started_before(limit)


def purge(limit: datetime.datetime) -> Iterator[int]:
    """Delete the sessions that started before `limit`, oldest first. Yields the number deleted per batch.

    Their ends are deleted after them, and so are those of deleted sessions that have expired. A linked
    Zephr session is deleted with the last session that is linked to it. Each batch is one transaction; after
    it comes a pause of the same length, so that other writers get their turn. Raises StoreUnavailable.
    """
    yield from _unhurried(sessions_to_purge(limit).order_by("session_id").drop_in_batches(BATCH))
    for _ in _unhurried(itertools.chain(_purge_ends(limit), _purge_zephr_sessions(limit))):
        pass


def sessions_of_user(user_id: str) -> TrackingSessionQuerySet:
    """Return the user's sessions, whether they store the id as it is or hashed. Raises InvalidUserId."""
    return TrackingSession.objects.primary().of_user(_cleaned(user_id))


def _cleaned(user_id: str) -> str:
    cleaned = clean_user_id(user_id)
    if cleaned is None:
        raise InvalidUserId("string_too_short", "String should have at least 1 character.")
    return cleaned


def erase_user(user_id: str) -> Iterator[int]:
    """Remove the user id and the link to Zephr from the user's sessions. Yields the number changed per batch.

    The sessions stay, without a user, so statistics do not change. If a session's token may still be valid,
    the session is ended, because the token contains the id. The stored data of the user's Zephr sessions is
    deleted; other sessions without a user id lose their links to it, too. A keyed hash of the user id is
    stored, so that an import of old sessions leaves the user out. Raises InvalidUserId, StoreUnavailable.
    """
    yield from _unhurried(_erase(_cleaned(user_id)))


def noted_sessions() -> TrackingSessionQuerySet:
    """Return the sessions that `erase_noted` searches for erased users."""
    latest, rows = erased_users.latest(), TrackingSession.objects.primary().filter(user_id__isnull=False)
    return rows.none() if latest is None else rows.started_before(latest)


def erase_noted() -> Iterator[tuple[int, int]]:
    """Erase all noted users again, from sessions that started before the user was erased.

    Use it after a backup is restored. Yields for each batch the number of sessions examined, and how many
    of them had such a user. Raises StoreUnavailable.
    """
    rows = noted_sessions().order_by("session_id").values_list("session_id", "user_id")
    with translating_errors():
        for batch in keyset.batches(rows, "session_id", BATCH):
            with transaction.atomic(rows.db):
                erased_at = erased_users.times({str(user_id) for _, user_id in batch})
                ids = [pk for pk, user in batch if user in erased_at and moment_of(pk) < erased_at[user]]
                erased = _erase_batch(TrackingSession.objects.using(rows.db).filter(pk__in=ids)) if ids else 0
            yield len(batch), erased


def _unhurried(batches: Iterable[int]) -> Iterator[int]:
    begun = time.monotonic()
    for count in batches:
        took = time.monotonic() - begun
        yield count
        time.sleep(took)
        begun = time.monotonic()


def _purge_ends(limit: datetime.datetime) -> Iterator[int]:
    ends = EndedSession.objects.primary()
    with translating_errors():
        oldest = valid_from(ends.db)
        parts = [ends.started_before(limit)]
        if oldest is not None:
            parts.append(ends.filter(reason=Reason.DELETED).started_before(oldest))
        for part in parts:
            ids = part.order_by("session_id").values_list("session_id", flat=True)
            for batch in keyset.batches(ids, "session_id", BATCH):
                count, _ = ends.filter(pk__in=batch).delete()
                yield count


def _purge_zephr_sessions(limit: datetime.datetime) -> Iterator[int]:
    rows = _unlinked().filter(claimed_at__lt=limit).order_by("pk").values_list("pk", flat=True)
    with translating_errors():
        for ids in keyset.batches(rows, "pk", BATCH):
            count, _ = _unlinked().filter(pk__in=ids).delete()
            yield count


def _erase(user_id: str) -> Iterator[int]:
    rows = sessions_of_user(user_id)
    while True:
        with translating_errors(), transaction.atomic(rows.db):
            # With each batch, so that the noted time covers sessions that start until the last one.
            erased_users.note(user_id)
            count = _erase_batch(rows)
        if not count:
            return
        yield count


def _erase_batch(rows: TrackingSessionQuerySet) -> int:
    zephr_ids = dict(rows.order_by().values_list("session_id", "zephr_session_id")[:BATCH])
    count = _make_nobodys(rows.filter(session_id__in=list(zephr_ids)))
    oldest = valid_from(rows.db)
    valid = [pk for pk in zephr_ids if oldest is None or moment_of(pk) >= oldest]
    EndedSession.objects.using(rows.db).store(
        EndedSession(session_id=pk, ended_at=DatabaseNow(), reason=Reason.ERASED) for pk in valid
    )
    linked = {zephr_id for zephr_id in zephr_ids.values() if zephr_id is not None}
    if linked:
        others = TrackingSession.objects.using(rows.db).filter(zephr_session_id__in=linked)
        _make_nobodys(others.filter(user_id__isnull=True))
        _unlinked().filter(pk__in=linked).delete()
    return count


def _make_nobodys(rows: TrackingSessionQuerySet) -> int:
    return rows.update(user_id=None, zephr_session=None)


def _unlinked() -> QuerySet[LinkedZephrSession]:
    linking = TrackingSession.objects.filter(zephr_session_id=OuterRef("pk"))
    return LinkedZephrSession.objects.using(router.db_for_write(LinkedZephrSession)).filter(~Exists(linking))
