"""The tables: what was measured at each size, before and after, and what was wanted."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

Figures = dict[str, Any]
Found = dict[tuple[str, int], Figures]
"""The figures by tree ("before" or "after") and number of rows."""


def tables(found: Found, days: Found) -> Iterator[str]:
    """Yield the lines of all tables but the last one."""
    yield from _bytes(found)
    yield from _load(found)
    yield from _runs(days)
    yield from _counted(found)
    yield from _pages(found)
    yield from _purge(found)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if rows:
        yield f"| {' | '.join(heads)} |"
        yield f"| --- |{' ---: |' * (len(heads) - 1)}"
        yield from (f"| {' | '.join(row)} |" for row in rows)
        yield ""


def _name(key: tuple[str, int]) -> str:
    return f"{key[0]}, {key[1]:,}"


def _bytes(found: Found) -> Iterator[str]:
    rows = []
    for key, figures in found.items():
        for kind in ("sessions", "ends"):
            size = figures["bytes"]
            if f"{kind}, heap" in size:
                heap, indexes = size[f"{kind}, heap"], size[f"{kind}, indexes"]
                parts = [f"{heap:,.0f}", f"{indexes:,.0f}", f"{heap + indexes:,.0f}"]
                rows.append([f"{_name(key)}: {kind}", *parts, f"{figures['filled']:,.0f} s"])
    yield from _table(["bytes a row", "heap", "indexes", "both", "filled in"], rows)


def _load(found: Found) -> Iterator[str]:
    heads = ["a start, an end", "rows/s", "PostgreSQL, µs", "WAL, B", "of it images, B"]
    heads += ["WAL at first, B", "of it images, B"]
    rows = []
    for key, figures in found.items():
        for kind in ("start", "end") if "load" in figures else ():
            part, first = figures["load"][kind], figures["load"][f"{kind}, first part"]
            numbers = [part["rate"], part["cpu"], part["wal"], part["images"], first["wal"], first["images"]]
            rows.append([f"{_name(key)}: {kind}", *(f"{number:,.0f}" for number in numbers)])
    yield from _table(heads, rows)


def _runs(days: Found) -> Iterator[str]:
    rows = [[_name(key), f"{figures['a run'] * 1000:,.0f} ms"] for key, figures in days.items()]
    yield from _table(["sessions of the day so far", "a run with 1,000 new ones"], rows)


def _counted(found: Found) -> Iterator[str]:
    counted = {key: figures["counted"] for key, figures in found.items() if "counted" in figures}
    rows = [[_name(key), f"{took:,.1f} s", f"{took / key[1] * 1e6:,.0f} µs"] for key, took in counted.items()]
    yield from _table(["rolled up from nothing", "in", "a session"], rows)


def _pages(found: Found) -> Iterator[str]:
    pages = {rows: figures["pages"] for (_, rows), figures in found.items() if "pages" in figures}
    if not pages:
        return
    first, last = min(pages), max(pages)
    rows = [
        [
            name,
            *(f"{pages[size][name]:,.0f} ms" for size in sorted(pages)),
            f"{pages[last][name] / pages[first][name]:.1f}",
        ]
        for name in pages[last]
    ]
    yield from _table(["page", *(f"{size:,}" for size in sorted(pages)), "growth"], rows)


def _purge(found: Found) -> Iterator[str]:
    rows = []
    for key, figures in found.items():
        if "purge" in figures:
            one = figures["purge"]
            inserts = [f"{one[name]:,.0f} ms" for name in ("longest insert", "longest insert before it")]
            rows.append([_name(key), f"{one['sessions']:,}", f"{one['seconds']:.2f} s", *inserts])
    yield from _table(
        ["a month purged", "sessions", "in", "longest insert meanwhile", "in the 3 s before"], rows
    )


def wanted(found: Found, days: Found) -> Iterator[str]:
    """Yield the lines of the last table. A figure that was not measured is `-`."""
    rows = []
    for name, limit, measure in _WANTED:
        try:
            text, holds = measure(found, days)
        except (KeyError, ValueError):
            text, holds = "-", None
        rows.append([name, limit, text, {True: "yes", False: "no", None: "-"}[holds]])
    yield from _table(["figure", "wanted", "measured", "reached"], rows)


Verdict = tuple[str, bool]


def _sizes(found: Found, part: str, tree: str = "after") -> list[int]:
    return sorted(rows for (of, rows), figures in found.items() if of == tree and part in figures)


def _least_and_most(found: Found, part: str) -> tuple[Any, Any]:
    """Return a part of the figures at the smallest and at the biggest size. ValueError: there is one size."""
    first, *_, last = _sizes(found, part)
    return found["after", first][part], found["after", last][part]


def _biggest(found: Found, part: str) -> Any:
    return found["after", max(_sizes(found, part))][part]


def _records(reading: Figures) -> float:
    return float(reading["wal"] - reading["images"])


def _growth(found: Found, days: Found) -> Verdict:
    small, big = (load["start"] for load in _least_and_most(found, "load"))
    rate, wal = small["rate"] / big["rate"], _records(big) / _records(small)
    with_images = big["wal"] / small["wal"]
    text = f"{rate:.2f} times slower; WAL {wal:.2f} ({with_images:.2f} with images)"
    return text, max(rate, wal) <= 1.2


def _row_bytes(found: Found, days: Found) -> Verdict:
    size = _biggest(found, "bytes")
    both = size["sessions, heap"] + size["sessions, indexes"]
    return f"{both:,.0f}, of these {size['sessions, indexes']:,.0f} in indexes", both <= 320


def _wal(found: Found, days: Found) -> Verdict:
    big = _biggest(found, "load")["start"]
    return f"{_records(big):,.0f} B ({big['wal']:,.0f} B with images)", _records(big) <= 700


def _end(found: Found, days: Found) -> Verdict:
    big = _biggest(found, "load")
    cpu, wal = big["end"]["cpu"] / big["start"]["cpu"], _records(big["end"]) / _records(big["start"])
    with_images = big["end"]["wal"] / big["start"]["wal"]
    return f"{cpu:.2f}; WAL {wal:.2f} ({with_images:.2f} with images)", max(cpu, wal) <= 0.7


def _run(found: Found, days: Found) -> Verdict:
    few, many = _least_and_most(days, "a run")
    ratio = many / few
    return f"{ratio:.2f}", ratio <= 1.5


def _every_page(found: Found, days: Found) -> Verdict:
    small, big = _least_and_most(found, "pages")
    slowest, growing = max(big, key=big.__getitem__), max(big, key=lambda name: big[name] / small[name])
    growth = big[growing] / small[growing]
    text = f"at most {big[slowest]:,.0f} ms ({slowest}); {growth:.1f} ({growing})"
    return text, big[slowest] < 200 and growth <= 2


def _purged(found: Found, days: Found) -> Verdict:
    one = _biggest(found, "purge")
    text = f"{one['sessions']:,} in {one['seconds']:.2f} s, {one['longest insert']:,.0f} ms"
    return text, one["seconds"] < 1 and one["longest insert"] < 100


def _from_nothing(found: Found, days: Found) -> Verdict:
    rows = max({*_sizes(found, "counted")} & {*_sizes(found, "counted", "before")})
    ratio = found["after", rows]["counted"] / found["before", rows]["counted"]
    return f"{ratio:.2f} at {rows:,}", ratio <= 0.25


_WANTED: list[tuple[str, str, Callable[[Found, Found], Verdict]]] = [
    ("rows a second and WAL a row at the biggest size, beside the smallest", "within 1.2", _growth),
    ("bytes a row, all indexes", "at most 320", _row_bytes),
    ("WAL of a start, steady", "at most 700 B", _wal),
    ("an end, µs of PostgreSQL and WAL, beside a start", "at most 0.7", _end),
    ("a run of the rollups with 1,000 new sessions, biggest day beside smallest", "within 1.5", _run),
    ("every page at the biggest size", "under 200 ms, within 2 of the smallest", _every_page),
    ("a month purged beside inserts", "under 1 s, longest insert under 100 ms", _purged),
    ("sessions rolled up from nothing, beside before", "at most 0.25", _from_nothing),
]
