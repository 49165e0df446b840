"""The numbers at the top of the dashboard, each with that of the period before."""

import dataclasses
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ...analytics.statistics import Metrics
from .scales import Unit, percentage


@dataclasses.dataclass(frozen=True, slots=True)
class Card:
    """One number of the period; `change` is the difference from the period before, in words."""

    label: Any
    value: str
    note: str
    arrow: str
    change: str


def of(now: Metrics, before: Metrics) -> list[Card]:
    """Return the cards of the period `now`, compared with the one before it."""
    ended = ngettext("of %(count)s ended session", "of %(count)s ended sessions", now.ended)
    ended %= {"count": Unit.COUNT.text(now.ended)}
    return [
        _card(_("Sessions"), Unit.COUNT, now.sessions, before.sessions),
        _card(_("Users"), Unit.COUNT, now.users, before.users),
        _card(_("New users"), Unit.COUNT, now.new_users, before.new_users),
        _card(_("Mean duration"), Unit.SECONDS, seconds(now), seconds(before), ended if now.ended else ""),
    ]


def _card(label: Any, unit: Unit, now: float | None, before: float | None, note: str = "") -> Card:
    return Card(label, unit.text(now), note, *_change(unit, now, before))


def _change(unit: Unit, now: float | None, before: float | None) -> tuple[str, str]:
    if now is None or before is None:
        return "", _("nothing to compare with")
    if now == before:
        return "=", _("no change")
    if not before:
        return "▲", _("none before")
    part = 100 * abs(now - before) / before
    # Tenths below 10 %. A change is never rounded to 0.
    text = percentage(max(part, 0.1), 0 if part >= 10 else 1)
    if unit is Unit.SECONDS:
        return ("▲", _("%s longer") % text) if now > before else ("▼", _("%s shorter") % text)
    return ("▲", _("%s more") % text) if now > before else ("▼", _("%s fewer") % text)


def seconds(metrics: Metrics) -> float | None:
    """Return the mean duration in seconds, None if no session ended."""
    return None if metrics.mean_duration is None else metrics.mean_duration.total_seconds()
