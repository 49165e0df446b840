"""The counts of past days, stored so that statistics are fast (see `analytics/rollups.py`)."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..core.identifiers import MAX_LENGTH


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
    """The sums of a day: sessions, ended sessions, and the total duration of the ended ones.

    `name` is the value of the dimension `kind`, such as a playout's id; it is empty for the site. Days are
    days of the time zone in `RollupState`.
    """

    kind = models.CharField(max_length=10, choices=Dimension)
    name = models.CharField(max_length=MAX_LENGTH)
    day = models.DateField()
    sessions = models.PositiveBigIntegerField()
    ended = models.PositiveBigIntegerField()
    ended_duration = models.DurationField()

    class Meta:
        db_table = "jay_daily_count"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "name", "day"], name="jay_daily_count_unique")
        ]
        indexes: ClassVar = [
            models.Index(fields=["kind", "day", "name", "sessions"], name="jay_daily_count_day")
        ]


class DailyUsers(models.Model):
    """The number of users on a day, grouped by the last day before it on which they were active.

    `last_day` is None for new users. The distinct users of a period are then a sum over its days: of the
    users with a `last_day` before the period, or None. No user id is stored.
    """

    kind = models.CharField(max_length=10, choices=Dimension)
    name = models.CharField(max_length=MAX_LENGTH)
    day = models.DateField()
    last_day = models.DateField(null=True)
    users = models.PositiveBigIntegerField()

    class Meta:
        db_table = "jay_daily_users"
        indexes: ClassVar = [
            models.Index(fields=["kind", "name", "day", "last_day", "users"], name="jay_daily_users_day"),
            models.Index(fields=["kind", "name", "last_day", "day", "users"], name="jay_daily_users_last"),
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


class ChangedDay(models.Model):
    """A note that a day must be counted again: a session of it ended later, or was found at Zephr.

    `onward`: sessions were added, so all later days must be counted again, too. Rows are only inserted and
    deleted, so no writer waits for another one.
    """

    day = models.DateField()
    onward = models.BooleanField(default=False, db_default=False)

    class Meta:
        db_table = "jay_changed_day"


class RollupState(models.Model):
    """The state of the counting, in one row: the end of the counted time, and the time zone of its days.

    `version` goes up each time that a run stores counts, so that another run notices it.
    """

    zone = models.CharField(max_length=MAX_LENGTH)
    rolled_until = models.DateTimeField(null=True)
    version = models.PositiveBigIntegerField(default=0, db_default=0)

    class Meta:
        db_table = "jay_rollup_state"
