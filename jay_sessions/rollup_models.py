"""What is stored of days that were counted, for numbers that do not wait (see `rollups.py`)."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from .identifiers import MAX_LENGTH


class Kind(models.TextChoices):
    """What sessions are counted by."""

    SITE = "site", _("site")
    PLAYOUT = "playout", _("playout")
    PROVIDER = "provider", _("provider")
    SOURCE = "source", _("source")
    # Of sessions that are linked to Zephr's; users are not counted by these.
    DEVICE = "device", _("device")
    COUNTRY = "country", _("country")


class DailyCount(models.Model):
    """What adds up over days: sessions, and those of them that were ended, with their durations.

    `name` is that of the playout, provider or source, empty for the site. A day is one of the zone
    that `RollupState` names.
    """

    kind = models.CharField(max_length=10, choices=Kind)
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
    """How many users were there on a day, by the day on which they had been there before.

    `last_day` is None for those who were never there. So the distinct users of any period are a sum:
    of those who, before it, had not been there since it began. No user id is kept.
    """

    kind = models.CharField(max_length=10, choices=Kind)
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
    """A playout's sessions and users in the hour, and in the 24 hours, from each quarter-hour of a day on.

    The site's day begins at `begin`; sessions that started before `until` are counted. `counts` is what
    `windows.py` packs: sessions and users of the hour, then of the 24 hours, each a number a quarter-hour.
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
    """A note that a day is to be counted anew: a session of it was ended later, or found at Zephr.

    Only inserted and deleted, so nobody waits for it.
    """

    day = models.DateField()

    class Meta:
        db_table = "jay_changed_day"


class RollupState(models.Model):
    """The only row: up to when sessions are rolled up, and in which zone days were counted.

    `version` counts what runs have kept, so that one of them knows whether another was faster.
    """

    zone = models.CharField(max_length=MAX_LENGTH)
    rolled_until = models.DateTimeField(null=True)
    version = models.PositiveBigIntegerField(default=0, db_default=0)

    class Meta:
        db_table = "jay_rollup_state"
