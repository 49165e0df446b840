"""The data of Zephr sessions to which tracking sessions are linked."""

import datetime
from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..core.identifiers import MAX_LENGTH, shortened
from .values import ValuesQuerySet

CLAIM_LASTS = datetime.timedelta(minutes=5)
"""The time after which a claim without a result ends: far longer than a call to Zephr can take."""

FACTS = ("state", "user_state", "device", "browser", "os", "country")
"""The fields of a Zephr session that analytics uses."""


def claims_at(now: datetime.datetime) -> models.Q:
    """Return the filter for valid claims at `now`. A claim far in the future (a wrong clock) is invalid."""
    return models.Q(claimed_at__gt=now - CLAIM_LASTS, claimed_at__lte=now + CLAIM_LASTS)


class LinkedZephrSessionQuerySet(ValuesQuerySet["LinkedZephrSession"]):
    """The fetched data of Zephr sessions. A process claims a session before it fetches it."""

    def claim(self, zephr_session_id: str, now: datetime.datetime) -> bool:
        """Claim a session; return whether the caller may fetch it. Of several callers, only one may.

        `now` is the database's time. A claim without a result ends after `CLAIM_LASTS`.
        """
        _, is_new = self.get_or_create(pk=zephr_session_id, defaults={"claimed_at": now})
        abandoned = self.filter(pk=zephr_session_id, fetched_at=None).exclude(claims_at(now))
        return is_new or bool(abandoned.update(claimed_at=now))

    def release(self, zephr_session_id: str, claimed_at: datetime.datetime) -> None:
        """Give a claim back, so that the session can be fetched later."""
        self.filter(pk=zephr_session_id, fetched_at=None, claimed_at=claimed_at).delete()


class LinkedZephrSession(models.Model):
    """The data of a Zephr session to which a tracking session is linked. It is fetched later.

    `fetched_at` is None until then. A session that Zephr does not know gets only `fetched_at`.
    """

    zephr_session_id = models.CharField(_("Zephr session id"), max_length=MAX_LENGTH, primary_key=True)
    claimed_at = models.DateTimeField(_("claimed"))
    fetched_at = models.DateTimeField(_("fetched"), null=True)
    state = models.CharField(_("Zephr state"), max_length=MAX_LENGTH, null=True)
    user_state = models.CharField(_("user state"), max_length=MAX_LENGTH, null=True)
    device = models.CharField(_("device"), max_length=MAX_LENGTH, null=True)
    browser = models.CharField(_("browser"), max_length=MAX_LENGTH, null=True)
    os = models.CharField(_("operating system"), max_length=MAX_LENGTH, null=True)
    country = models.CharField(_("country"), max_length=MAX_LENGTH, null=True)

    objects = LinkedZephrSessionQuerySet.as_manager()

    class Meta:
        db_table = "jay_zephr_session"
        verbose_name = _("linked Zephr session")
        verbose_name_plural = _("linked Zephr sessions")
        indexes: ClassVar = [models.Index(fields=[name], name=f"jay_zephr_{name}") for name in FACTS]

    def facts(self) -> dict[str, str | None]:
        """Return Zephr's data by the names of the fields."""
        return {name: getattr(self, name) for name in FACTS}

    def __str__(self) -> str:
        # Shortened: a complete session id is enough to use that session.
        return shortened(self.zephr_session_id)
