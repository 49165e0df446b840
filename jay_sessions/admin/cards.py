"""The numbers at the head of the dashboard, each beside that of the period before."""

import dataclasses
from typing import Any

from django.utils.translation import gettext as _

from ..statistics import Measures
from .scales import Unit, percentage


@dataclasses.dataclass(frozen=True, slots=True)
class Card:
    """One number of the period; `change` says in words how it differs from the period before."""

    label: Any
    value: str
    note: str
    arrow: str
    change: str


def of(now: Measures, before: Measures) -> list[Card]:
    """Return the cards of a period, beside the one before it."""
    ended = _("of %(count)s ended sessions") % {"count": Unit.COUNT.text(now.ended)}
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
    # Tenths where they say something; a change is never rounded to none.
    text = percentage(max(part, 0.1), 0 if part >= 10 else 1)
    if unit is Unit.SECONDS:
        return ("▲", _("%s longer") % text) if now > before else ("▼", _("%s shorter") % text)
    return ("▲", _("%s more") % text) if now > before else ("▼", _("%s fewer") % text)


def seconds(measures: Measures) -> float | None:
    """Return the mean duration in seconds, None where nothing was ended."""
    return None if measures.mean_duration is None else measures.mean_duration.total_seconds()
