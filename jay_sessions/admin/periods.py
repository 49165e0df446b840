"""What the dashboard is asked for: a period of whole days, and whose sessions in it."""

import dataclasses
import datetime
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from ..exceptions import InvalidValue
from ..identifiers import MAX_LENGTH, check_text
from ..rollup_models import Kind
from ..site_days import today
from ..statistics import Subject

MAX_DAYS = 400
EARLIEST = datetime.date(2000, 1, 1)
DAY = datetime.timedelta(days=1)
LONG = 92
"""Up to so many days, a period is shown by day, else by week."""

PRESETS: Mapping[str, tuple[int, Any]] = {
    "7-days": (7, _("7 days")),
    "30-days": (30, _("30 days")),
    "90-days": (90, _("90 days")),
    "52-weeks": (364, _("52 weeks")),
}
DEFAULT = "30-days"


@dataclasses.dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to before `after`; `preset` is the name it was asked by, or empty."""

    first: datetime.date
    after: datetime.date
    preset: str = ""

    @classmethod
    def named(cls, preset: str) -> "Period":
        """Return the period of that name, which ends with today. Raises KeyError for no such name."""
        after = today() + DAY
        return cls(after - PRESETS[preset][0] * DAY, after, preset)

    @property
    def length(self) -> int:
        """How many days it has."""
        return (self.after - self.first).days

    @property
    def last(self) -> datetime.date:
        """Its last day."""
        return self.after - DAY

    @property
    def step(self) -> int:
        """How many days are shown as one."""
        return 1 if self.length <= LONG else 7

    @property
    def steps(self) -> "list[Period]":
        """The days or weeks of it, the last one cut by its end."""
        begins = [self.first + number * DAY for number in range(0, self.length, self.step)]
        return [Period(begin, min(begin + self.step * DAY, self.after)) for begin in begins]

    @property
    def before(self) -> "Period":
        """The period of the same length that ends where this one begins."""
        return Period(self.first - self.length * DAY, self.first)


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """A period, and whose sessions in it."""

    period: Period
    subject: Subject

    @property
    def query(self) -> str:
        """The query string that asks the dashboard for this."""
        period, subject = self.period, self.subject
        parameters = (
            {"period": period.preset}
            if period.preset
            else {"first": period.first.isoformat(), "last": period.last.isoformat()}
        )
        if subject.kind is not Kind.SITE:
            parameters[subject.kind.value] = subject.name
        return urlencode(parameters)

    def within(self, period: Period) -> "Choice":
        """Return the same in another period."""
        return dataclasses.replace(self, period=period)

    def about(self, kind: Kind, name: str) -> "Choice":
        """Return the same period for another subject."""
        return dataclasses.replace(self, subject=Subject(kind, name))


class _DayField(forms.DateField):
    """A day, by the browser's own picker; written as that sends it, whatever the language."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateInput({"type": "date"}, format="%Y-%m-%d")
        super().__init__(required=False, input_formats=["%Y-%m-%d"], widget=widget, **kwargs)


class ChoiceForm(forms.Form):
    """The dashboard's query string. Two days, where they are given, count more than a preset."""

    period = forms.ChoiceField(
        choices=[(name, label) for name, (_days, label) in PRESETS.items()],
        required=False,
        widget=forms.HiddenInput,
    )
    first = _DayField(label=_("From"))
    last = _DayField(label=_("To"))
    playout = forms.CharField(
        label=_("Playout"),
        required=False,
        max_length=MAX_LENGTH,
        widget=forms.TextInput({"class": "vTextField", "placeholder": _("all"), "spellcheck": "false"}),
    )
    provider = forms.CharField(
        label=_("Provider"), required=False, max_length=MAX_LENGTH, strip=False, widget=forms.Select
    )

    def __init__(self, data: Mapping[str, Any], providers: Iterable[str]) -> None:
        super().__init__(data, label_suffix="")
        # One that is stored, but not among the few that are offered, is followed from a link.
        known = dict.fromkeys([*providers, data.get("provider") or ""])
        self.fields["provider"].widget.choices = [
            ("", _("all")),
            *((name, name) for name in known if name),
        ]
        for name in ("first", "last"):
            self.fields[name].widget.attrs |= {"min": EARLIEST.isoformat(), "max": today().isoformat()}

    def clean_playout(self) -> str:
        return _clean_text(self.cleaned_data["playout"])

    def clean_provider(self) -> str:
        return _clean_text(self.cleaned_data["provider"])

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if data.get("playout") and data.get("provider"):
            self.add_error(None, _("Choose a playout or a provider, not both."))
        first, last = data.get("first"), data.get("last")
        if first is None and last is not None and "first" not in self.errors:
            self.add_error("first", _("Choose the day it begins as well."))
        if first is not None:
            self._check_days(first, last or today())
        return data

    def _check_days(self, first: datetime.date, last: datetime.date) -> None:
        if first < EARLIEST:
            self.add_error("first", _("Choose a day from the year 2000 on."))
        elif last > today():
            self.add_error("last", _("Choose a day that is not in the future."))
        elif last < first:
            self.add_error("last", _("Choose a day that is not before the first one."))
        elif (last - first).days >= MAX_DAYS:
            self.add_error("last", _("Choose at most %(days)d days.") % {"days": MAX_DAYS})

    def choice(self) -> Choice:
        """Return what a valid form asks for."""
        data = self.cleaned_data
        if data["first"] is None:
            period = Period.named(data["period"] or DEFAULT)
        else:
            period = Period(data["first"], (data["last"] or today()) + DAY)
        for kind in (Kind.PLAYOUT, Kind.PROVIDER):
            if name := data[kind.value]:
                return Choice(period, Subject(kind, name))
        return Choice(period, Subject())


def _clean_text(value: str) -> str:
    try:
        return check_text(value)
    except InvalidValue as error:
        raise ValidationError(error.message) from error
