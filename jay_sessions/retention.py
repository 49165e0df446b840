"""What is removed: sessions once `RETENTION` is over, and from sessions who their user is."""

import datetime
import time
from collections.abc import Iterable, Iterator

from django.db import router, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from . import conf, site_days, statistics
from .exceptions import InvalidUserId
from .identifiers import clean_user_id
from .models import LinkedZephrSession, TrackingSession
from .querysets import TrackingSessionQuerySet
from .store import available

BATCH = 1000
"""Rows that one transaction removes or changes."""

_ONE_DAY = datetime.timedelta(days=1)


def purge_limit() -> datetime.datetime | None:
    """Return the time before which sessions are to go by now; None for no time at all.

    That is `RETENTION` ago; but the numbers of a day stay only if it was counted to its end
    (`rollups.run`), and those of the day before may still be needed for it. Raises StoreUnavailable.
    """
    retention, counted = conf.get().retention, statistics.rolled_up_until()
    if retention is None or counted is None:
        return None
    return min(timezone.now() - retention, site_days.start_of(site_days.day_of(counted) - _ONE_DAY))


def sessions_to_purge(limit: datetime.datetime) -> TrackingSessionQuerySet:
    """Return the sessions that started before `limit`."""
    return TrackingSession.objects.primary().started_before(limit)


def purge(limit: datetime.datetime) -> Iterator[int]:
    """Delete the sessions that started before `limit`, oldest first; gives how many, batch by batch.

    What was fetched of Zephr sessions goes with the last session that is linked to them. Each batch is
    a transaction, and after it comes a pause of its length, for others who write. Raises
    StoreUnavailable.
    """
    yield from _unhurried(sessions_to_purge(limit).order_by("session_id").delete_in_batches(BATCH))
    for _ in _unhurried(_purge_zephr_sessions(limit)):
        pass


def sessions_of_user(user_id: str) -> TrackingSessionQuerySet:
    """Return the user's sessions, in whatever form they have the user id. Raises InvalidUserId."""
    cleaned = clean_user_id(user_id)
    if cleaned is None:
        raise InvalidUserId("string_too_short", "String should have at least 1 character.")
    return TrackingSession.objects.primary().of_user(cleaned)


def erase_user(user_id: str) -> Iterator[int]:
    """Take the user id and the link to Zephr off the user's sessions; gives how many, batch by batch.

    The sessions stay as nobody's: so none that was ended is valid again, and the numbers are what they
    were. What was fetched of the user's Zephr sessions is deleted, and links to them are taken off sessions
    without a user id, too. Raises InvalidUserId, StoreUnavailable.
    """
    yield from _unhurried(_erase(sessions_of_user(user_id)))


def _unhurried(batches: Iterable[int]) -> Iterator[int]:
    begun = time.monotonic()
    for count in batches:
        took = time.monotonic() - begun
        yield count
        time.sleep(took)
        begun = time.monotonic()


def _purge_zephr_sessions(limit: datetime.datetime) -> Iterator[int]:
    rows = _unlinked().filter(claimed_at__lt=limit).order_by("pk").values_list("pk", flat=True)
    last = ""
    while True:
        with available():
            ids = list(rows.filter(pk__gt=last)[:BATCH])
            if not ids:
                return
            count, _ = _unlinked().filter(pk__in=ids).delete()
        yield count
        last = ids[-1]


def _erase(rows: TrackingSessionQuerySet) -> Iterator[int]:
    alias = router.db_for_write(TrackingSession)
    while True:
        with available(), transaction.atomic(alias):
            found = rows.order_by().values_list("session_id", "zephr_session_id")[:BATCH]
            zephr_ids = dict(found)
            count = _make_nobodys(rows.filter(session_id__in=list(zephr_ids)))
            linked = {zephr_id for zephr_id in zephr_ids.values() if zephr_id is not None}
            if linked:
                others = TrackingSession.objects.using(alias).filter(zephr_session_id__in=linked)
                _make_nobodys(others.filter(user_id__isnull=True))
                _unlinked().filter(pk__in=linked).delete()
        if not zephr_ids:
            return
        yield count


def _make_nobodys(rows: TrackingSessionQuerySet) -> int:
    return rows.update(user_id=None, zephr_session=None)


def _unlinked() -> QuerySet[LinkedZephrSession]:
    linking = TrackingSession.objects.filter(zephr_session_id=OuterRef("pk"))
    return LinkedZephrSession.objects.using(router.db_for_write(LinkedZephrSession)).filter(~Exists(linking))
