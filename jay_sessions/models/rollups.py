"""The counts of sessions, stored so that statistics are fast (see `analytics/rollups.py`)."""

import uuid
from collections.abc import Iterable
from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..core.identifiers import MAX_LENGTH
from .values import ValuesQuerySet


class Dimension(models.TextChoices):
    """The property that sessions are grouped by; with SITE, all sessions are one group."""

    SITE = "site", _("site")
    PLAYOUT = "playout", _("playout")
    PROVIDER = "provider", _("provider")
    SOURCE = "source", _("source")
    # Only for sessions with a linked Zephr session; users are not counted by these two.
    DEVICE = "device", _("device")
    COUNTRY = "country", _("country")


class DailyCount(models.Model):
    """The numbers of a day: sessions, ended sessions, the total duration of the ended ones, and users.

    `name` is the value of the dimension `kind`, such as a playout's id. It is empty for the site, and for all
    names beyond `MAX_DAILY_PLAYOUTS` together. Days are days of the time zone in `RollupState`. `users` is
    packed by `analytics/daily_counts.py`: the users of the day by the number of days since they were there
    before. No user id is stored.
    """

    kind = models.CharField(max_length=10, choices=Dimension)
    name = models.CharField(max_length=MAX_LENGTH)
    day = models.DateField()
    sessions = models.PositiveBigIntegerField()
    ended = models.PositiveBigIntegerField()
    ended_duration = models.DurationField()
    users = models.TextField()

    objects = ValuesQuerySet.as_manager()

    class Meta:
        db_table = "jay_daily_count"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "name", "day"], name="jay_daily_count_unique")
        ]
        indexes: ClassVar = [
            models.Index(fields=["kind", "day", "name", "sessions"], name="jay_daily_count_day")
        ]


class PlayoutWindows(models.Model):
    """A playout's sessions and users in windows of 1 hour and 24 hours, one from each quarter-hour of a day.

    The site's day begins at `begin`; sessions that started before `until` are counted. `counts` is packed by
    `analytics/windows.py`: sessions and users per hour, then per 24 hours, each with one number per
    quarter-hour.
    """

    playout_id = models.CharField(max_length=MAX_LENGTH)
    begin = models.DateTimeField()
    until = models.DateTimeField()
    counts = models.TextField()

    class Meta:
        db_table = "jay_playout_windows"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["playout_id", "begin"], name="jay_windows_unique")
        ]
        indexes: ClassVar = [models.Index(fields=["begin"], name="jay_windows_begin")]


class LateSessionQuerySet(models.QuerySet["LateSession"]):
    """Notes sessions that may be stored after their time was counted."""

    def note(self, session_ids: Iterable[uuid.UUID]) -> None:
        """Note the sessions; call it in the transaction that inserts them."""
        self._for_write = True
        self.bulk_create((self.model(session_id=pk) for pk in session_ids), ignore_conflicts=True)


class LateSession(models.Model):
    """A note that a session may be stored after its time was counted.

    A run of the rollups counts it if so, and removes the note. Rows are only inserted and deleted.
    """

    session_id = models.UUIDField(primary_key=True)

    objects = LateSessionQuerySet.as_manager()

    class Meta:
        db_table = "jay_late_session"


class FetchedZephrSession(models.Model):
    """A note that a linked Zephr session was fetched: its sessions have a device and a country now."""

    zephr_session_id = models.CharField(max_length=MAX_LENGTH, primary_key=True)

    class Meta:
        db_table = "jay_fetched_zephr_session"


class RollupState(models.Model):
    """The state of the counting, in one row.

    Sessions that started before `rolled_until` are counted, by days of the time zone `zone`. `snapshot` says
    which ends are counted, on the server `server` (see `analytics/new_ends.py`). Days from `recount_from` on
    are counted anew. `names` are the numbers of playouts and providers that have counts of their own, by
    day, dimension and API key. For the search for uncounted sessions (`analytics/uncounted.py`), `hours` are
    the numbers of counted sessions by hour since 1970, and `checked` is the day of the last search.
    """

    zone = models.CharField(max_length=MAX_LENGTH)
    rolled_until = models.DateTimeField(null=True)
    snapshot = models.TextField(default="", db_default="")
    server = models.TextField(default="", db_default="")
    recount_from = models.DateField(null=True)
    checked = models.DateField(null=True)
    hours = models.JSONField(default=dict)
    names = models.JSONField(default=dict)

    class Meta:
        db_table = "jay_rollup_state"
