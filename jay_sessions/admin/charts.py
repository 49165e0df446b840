"""Charts as geometry: numbers in, positions for the template that draws them out.

All positions are percentages, so that a chart is as wide as its place while its text keeps its size. They
are strings, as a template writes a number the way the reader's language does.
"""

import dataclasses
import datetime
import itertools
from collections.abc import Sequence
from typing import Any

from django.utils.formats import date_format

from .scales import Unit, ticks

MAX_LABELS = 10
_STEPS = (1, 2, 3, 7, 14)
SPACIOUS = 31
"""Up to so many days, each has a mark to see and a stop of the Tab key."""


@dataclasses.dataclass(frozen=True, slots=True)
class Series:
    """A value for each day, None where there is none; `css` names its colour and manner."""

    label: Any
    values: Sequence[float | None]
    css: str


@dataclasses.dataclass(frozen=True, slots=True)
class Bar:
    """One part of a day's bar."""

    css: str
    y: str
    height: str


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    """A day's value on a line; `is_alone` where neither neighbour has one, so that no line shows it."""

    css: str
    y: str
    is_alone: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Slot:
    """A day: its place, its link, its values as text, and what is drawn there.

    `label` stands below it where not empty; one that `is_major` even where there is little room.
    """

    name: str
    href: str
    texts: list[str]
    summary: str
    x: str
    middle: str
    bar_x: str
    label: str
    is_major: bool
    bars: list[Bar]
    points: list[Point]


@dataclasses.dataclass(frozen=True, slots=True)
class Chart:
    """All that the template needs. `ticks` are pairs of position and text, `paths` of class and path."""

    slug: str
    title: Any
    series: Sequence[Series]
    ticks: list[tuple[str, str]]
    slots: list[Slot]
    paths: list[tuple[str, str]]
    width: str
    bar_width: str
    is_spacious: bool
    has_long_ticks: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Plot:
    """What to draw: `days` with their names and where they lead, and as many values in each series.

    A day may stand for the week that it begins. `slug` becomes part of ids and classes of the page.
    """

    slug: str
    title: Any
    unit: Unit
    days: Sequence[tuple[datetime.date, str, str]]
    series: Sequence[Series]


def lines(plot: Plot) -> Chart:
    """Return a chart with a line for each series."""
    values = [value for one in plot.series for value in one.values if value is not None]
    scale = ticks(max(values, default=0), plot.unit)
    points = [
        [
            Point(one.css, _y(value, scale), _is_alone(one.values, number))
            for one in plot.series
            if (value := one.values[number]) is not None
        ]
        for number in range(len(plot.days))
    ]
    paths = [(one.css, _path(one.values, scale)) for one in plot.series]
    return _chart(plot, scale, [_Marks(points=found) for found in points], paths)


def bars(plot: Plot) -> Chart:
    """Return a chart with a bar for each day, made of all series, the first at the bottom."""
    columns = [[one.values[number] or 0 for one in plot.series] for number in range(len(plot.days))]
    scale = ticks(max(map(sum, columns), default=0), plot.unit)
    stacks = [
        [
            Bar(one.css, _y(top, scale), _percent(value / scale[-1]))
            for one, value, top in zip(plot.series, column, itertools.accumulate(column), strict=True)
            if value
        ]
        for column in columns
    ]
    return _chart(plot, scale, [_Marks(bars=found) for found in stacks], [])


@dataclasses.dataclass(frozen=True, slots=True)
class _Marks:
    bars: list[Bar] = dataclasses.field(default_factory=list)
    points: list[Point] = dataclasses.field(default_factory=list)


def _chart(plot: Plot, scale: list[int], marks: list[_Marks], paths: list[tuple[str, str]]) -> Chart:
    count = len(plot.days)
    levels = [(_y(value, scale), plot.unit.text(value)) for value in scale]
    return Chart(
        slug=plot.slug,
        title=plot.title,
        series=plot.series,
        ticks=levels,
        slots=_slots(plot, marks),
        paths=paths,
        width=_percent(1 / count),
        bar_width=_percent(_bar(count) / count),
        is_spacious=count <= SPACIOUS,
        has_long_ticks=max(len(text) for _place, text in levels) > 7,
    )


def _slots(plot: Plot, marks: list[_Marks]) -> list[Slot]:
    count = len(plot.days)
    labels = _labels([day for day, _name, _href in plot.days])
    found = []
    for number, (_day, name, href) in enumerate(plot.days):
        texts = [plot.unit.text(one.values[number]) for one in plot.series]
        lines_of_text = [f"{one.label}: {text}" for one, text in zip(plot.series, texts, strict=True)]
        label, is_major = labels.get(number, ("", False))
        found.append(
            Slot(
                name=name,
                href=href,
                texts=texts,
                summary="\n".join([name, *lines_of_text]),
                x=_percent(number / count),
                middle=_percent((number + 0.5) / count),
                bar_x=_percent((number + (1 - _bar(count)) / 2) / count),
                label=label,
                is_major=is_major,
                bars=marks[number].bars,
                points=marks[number].points,
            )
        )
    return found


def _labels(days: list[datetime.date]) -> dict[int, tuple[str, bool]]:
    # Of a long period the months, else every so many days, counted from the last one.
    if len(days) > _STEPS[-1] * MAX_LABELS:
        firsts = [number for number, day in enumerate(days) if day.day == 1]
        return {
            number: (date_format(days[number], "Y" if days[number].month == 1 else "M"), place % 2 == 0)
            for place, number in enumerate(firsts)
        }
    step = next(step for step in _STEPS if len(days) <= step * MAX_LABELS)
    return {
        number: (date_format(days[number], "j M"), place % 2 == 0)
        for place, number in enumerate(range(len(days) - 1, -1, -step))
    }


def _bar(count: int) -> float:
    # How much of a day's room its bar takes: where bars are thin, gaps would only blur them.
    return 0.7 if count <= SPACIOUS else 1


def _is_alone(values: Sequence[float | None], number: int) -> bool:
    neighbours = [values[place] for place in (number - 1, number + 1) if 0 <= place < len(values)]
    return all(value is None for value in neighbours)


def _path(values: Sequence[float | None], scale: list[int]) -> str:
    # In the units of a drawing that is 100 wide and 100 high; a day without a value interrupts the line.
    steps, pen = [], "M"
    for number, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        x, y = 100 * (number + 0.5) / len(values), 100 * (1 - value / scale[-1])
        steps.append(f"{pen}{x:.3f} {y:.3f}")
        pen = "L"
    return "".join(steps)


def _y(value: float, scale: list[int]) -> str:
    return _percent(1 - value / scale[-1])


def _percent(part: float) -> str:
    return f"{100 * part:.3f}%"
