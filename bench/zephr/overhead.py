"""A proxied answer from the cache against a bare view with the same JSON, in the same worker."""

import statistics
from collections.abc import Iterator

from project.zephr_demo_sessions import DEMO_SESSIONS
from project.zephr_stand_in import ZephrStandIn

from . import parts

ROUNDS = 7
SECONDS = 3
THREADS = 4
[*_, SESSION_ID] = DEMO_SESSIONS
BARE, PROXIED = "/bare", f"/v3/sessions/{SESSION_ID}"


def measure(redis_url: str) -> Iterator[tuple[str, ...]]:
    """Give a row for each cache: its name, both rates, their ratio, and the difference per answer."""
    yield _row("local memory", "")
    if redis_url:
        yield _row("Redis", redis_url)


def _row(cache: str, redis_url: str) -> tuple[str, ...]:
    with (
        ZephrStandIn(parts.ACCESS_KEY, parts.SECRET_KEY) as zephr,
        parts.serving(zephr, workers=1, threads=THREADS, redis_url=redis_url) as site,
    ):
        bare, proxied = _rates(site)
        assert len(zephr.requests) == 1, "Not all answers came from the cache."
    ratio = statistics.median(p / b for p, b in zip(proxied, bare, strict=True))
    more = statistics.median(10**6 / p - 10**6 / b for p, b in zip(proxied, bare, strict=True))
    return (
        cache,
        f"{statistics.median(bare):,.0f}/s",
        f"{statistics.median(proxied):,.0f}/s",
        f"{ratio:.2f}",
        f"{more:,.0f} µs",
    )


def _rates(site: parts.Site) -> tuple[list[float], list[float]]:
    for path in (PROXIED, BARE):
        parts.rate(site, path, 1)
    rates: dict[str, list[float]] = {BARE: [], PROXIED: []}
    for number in range(ROUNDS):
        # Every other round the other way round, so that a drift of the machine cancels.
        for path in (BARE, PROXIED) if number % 2 else (PROXIED, BARE):
            rates[path].append(parts.rate(site, path, SECONDS))
    return rates[BARE], rates[PROXIED]
