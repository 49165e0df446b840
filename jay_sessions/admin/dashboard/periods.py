"""The choice of the dashboard's reader: a period of whole days, and filters for the sessions in it."""

import dataclasses
import datetime
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from ...analytics.site_days import today
from ...analytics.statistics import Filters
from ...core.identifiers import MAX_LENGTH, check_text
from ...exceptions import InvalidValue
from ...models.rollups import Dimension
from ..changelist.strict import Refused, wrong_name

MAX_DAYS = 400
EARLIEST = datetime.date(2000, 1, 1)
DAY = datetime.timedelta(days=1)
LONG = 92
"""A period of at most this many days is shown by day, a longer one by week."""

PRESETS: Mapping[str, tuple[int, Any]] = {
    "7-days": (7, _("7 days")),
    "30-days": (30, _("30 days")),
    "90-days": (90, _("90 days")),
    "52-weeks": (364, _("52 weeks")),
}
DEFAULT = "30-days"


@dataclasses.dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to before `after`; `preset` is the period's name in the query, or empty."""

    first: datetime.date
    after: datetime.date
    preset: str = ""

    @classmethod
    def named(cls, preset: str) -> "Period":
        """Return the period with this name; it ends with today. Raises KeyError for an unknown name."""
        after = today() + DAY
        return cls(after - PRESETS[preset][0] * DAY, after, preset)

    @property
    def length(self) -> int:
        """The number of its days."""
        return (self.after - self.first).days

    @property
    def last(self) -> datetime.date:
        """Its last day."""
        return self.after - DAY

    @property
    def step(self) -> int:
        """The number of days that are shown as one."""
        return 1 if self.length <= LONG else 7

    @property
    def steps(self) -> "list[Period]":
        """Its days or weeks; the last week may be shorter."""
        begins = [self.first + number * DAY for number in range(0, self.length, self.step)]
        return [Period(begin, min(begin + self.step * DAY, self.after)) for begin in begins]

    @property
    def before(self) -> "Period":
        """The period of the same length that ends where this one begins."""
        return Period(self.first - self.length * DAY, self.first)


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """A period, and filters for the sessions in it."""

    period: Period
    filters: Filters

    @property
    def query(self) -> str:
        """The dashboard's query string for this choice."""
        period, filters = self.period, self.filters
        parameters = (
            {"period": period.preset}
            if period.preset
            else {"first": period.first.isoformat(), "last": period.last.isoformat()}
        )
        if filters.dimension is not Dimension.SITE:
            parameters[filters.dimension.value] = filters.name
        return urlencode(parameters)

    def within(self, period: Period) -> "Choice":
        """Return the same filters for another period."""
        return dataclasses.replace(self, period=period)

    def about(self, dimension: Dimension, name: str) -> "Choice":
        """Return the same period with other filters."""
        return dataclasses.replace(self, filters=Filters(dimension, name))


class _DayField(forms.DateField):
    """A day, with the browser's own picker, and in the browser's format in every language."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateInput({"type": "date"}, format="%Y-%m-%d")
        super().__init__(required=False, input_formats=["%Y-%m-%d"], widget=widget, **kwargs)


class ChoiceForm(forms.Form):
    """The dashboard's query string. If days are given, they count and the preset does not."""

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

    data: QueryDict

    def __init__(self, data: QueryDict, providers: Iterable[str]) -> None:
        super().__init__(data, label_suffix="")
        # A link may name a stored provider that is not among the few choices.
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
        for name in self.data:
            if name not in self.fields:
                self.add_error(None, str(Refused(name)))
        if wrong := wrong_name(self.data):
            self.add_error(None, str(Refused(wrong)))
        if data.get("playout") and data.get("provider"):
            self.add_error(None, _("Choose a playout or a provider, not both."))
        first, last = data.get("first"), data.get("last")
        if first is None and last is not None and "first" not in self.errors:
            self.add_error("first", _("Choose the first day as well."))
        if first is not None:
            self._check_days(first, last or today())
        return data

    def _check_days(self, first: datetime.date, last: datetime.date) -> None:
        if first < EARLIEST:
            self.add_error("first", _("Choose a day from the year 2000 on."))
        elif last > today():
            self.add_error("last", _("Choose a day that is not in the future."))
        elif last < first:
            self.add_error("last", _("Choose the first day or a later day."))
        elif (last - first).days >= MAX_DAYS:
            self.add_error("last", _("Choose at most %(days)d days.") % {"days": MAX_DAYS})

    def choice(self) -> Choice:
        """Return the choice of a valid form."""
        data = self.cleaned_data
        if data["first"] is None:
            period = Period.named(data["period"] or DEFAULT)
        else:
            period = Period(data["first"], (data["last"] or today()) + DAY)
        for dimension in (Dimension.PLAYOUT, Dimension.PROVIDER):
            if name := data[dimension.value]:
                return Choice(period, Filters(dimension, name))
        return Choice(period, Filters())


def _clean_text(value: str) -> str:
    try:
        return check_text(value)
    except InvalidValue as error:
        raise ValidationError(error.message) from error
