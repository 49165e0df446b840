"""Charts as geometry: from numbers to positions, which the template draws.

All positions are percentages, so that a chart fills its width while its text keeps its size. They
are strings, because a template writes numbers in the reader's language.
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
"""With at most this many days, each has a visible mark and a stop of the Tab key."""


@dataclasses.dataclass(frozen=True, slots=True)
class Series:
    """A value for each day, None where there is none; `css` is the class for its colour and style."""

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
    """A day's value on a line; `is_alone`: both neighbours have no value, so no line shows it."""

    css: str
    y: str
    is_alone: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Slot:
    """A day: its place, its link, its values as text, and its drawing.

    `label` is the text below it, or empty; a label that `is_major` shows even in a narrow chart.
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
    """The template's data. `ticks` are pairs of position and text, `paths` of class and path."""

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
    """The input of a chart: `days` with their names and links, and as many values in each series.

    A day may stand for the week that it begins. `slug` becomes part of ids and classes on the page.
    """

    slug: str
    title: Any
    unit: Unit
    days: Sequence[tuple[datetime.date, str, str]]
    series: Sequence[Series]


def lines(plot: Plot) -> Chart:
    """Return a chart with a line for each series."""
    values = [value for series in plot.series for value in series.values if value is not None]
    scale = ticks(max(values, default=0), plot.unit)
    points = [
        [
            Point(series.css, _y(value, scale), _is_alone(series.values, number))
            for series in plot.series
            if (value := series.values[number]) is not None
        ]
        for number in range(len(plot.days))
    ]
    paths = [(series.css, _path(series.values, scale)) for series in plot.series]
    return _chart(plot, scale, [_Marks(points=column) for column in points], paths)


def bars(plot: Plot) -> Chart:
    """Return a chart with a bar for each day. It stacks all series, the first at the bottom."""
    columns = [[series.values[number] or 0 for series in plot.series] for number in range(len(plot.days))]
    scale = ticks(max(map(sum, columns), default=0), plot.unit)
    stacks = [
        [
            Bar(series.css, _y(top, scale), _percent(value / scale[-1]))
            for series, value, top in zip(plot.series, column, itertools.accumulate(column), strict=True)
            if value
        ]
        for column in columns
    ]
    return _chart(plot, scale, [_Marks(bars=stack) for stack in stacks], [])


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
    slots = []
    for number, (_day, name, href) in enumerate(plot.days):
        texts = [plot.unit.text(series.values[number]) for series in plot.series]
        lines_of_text = [f"{series.label}: {text}" for series, text in zip(plot.series, texts, strict=True)]
        label, is_major = labels.get(number, ("", False))
        slots.append(
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
    return slots


def _labels(days: list[datetime.date]) -> dict[int, tuple[str, bool]]:
    # For a long period the months, else every few days, counted back from the last one.
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
    # The bar's share of a day's width: between thin bars, gaps would only blur them.
    return 0.7 if count <= SPACIOUS else 1


def _is_alone(values: Sequence[float | None], number: int) -> bool:
    neighbours = [values[place] for place in (number - 1, number + 1) if 0 <= place < len(values)]
    return all(value is None for value in neighbours)


def _path(values: Sequence[float | None], scale: list[int]) -> str:
    # In a drawing 100 wide and 100 high; a day without a value interrupts the line.
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
