"""Many requests at the same time for a session that nobody has asked for yet: how often is Zephr asked?"""

import statistics
import time
from collections.abc import Iterator
from typing import Any

from project.zephr_demo_sessions import DEMO_SESSIONS
from project.zephr_stand_in import ZephrStandIn

from . import parts

REQUESTS = 200
ROUNDS = 10
SECONDS = 0.3
"""How long Zephr takes for an answer."""

[*_, SESSION] = DEMO_SESSIONS.values()


class SlowStandIn(ZephrStandIn):
    """Takes its time, so that all requests are there before the first of them is answered."""

    def answer(self, method: str, target: str, authorization: str) -> tuple[int, dict[str, Any]]:
        time.sleep(SECONDS)
        return super().answer(method, target, authorization)


def measure(redis_url: str) -> Iterator[tuple[str, ...]]:
    """Give a row for one worker and, with Redis, one for two workers that share it."""
    yield _row("1 worker, local memory", workers=1, redis_url="")
    if redis_url:
        yield _row("2 workers, Redis", workers=2, redis_url=redis_url)


def _row(name: str, *, workers: int, redis_url: str) -> tuple[str, ...]:
    ids = [f"session-{number}" for number in range(ROUNDS + 1)]
    with (
        SlowStandIn(parts.ACCESS_KEY, parts.SECRET_KEY, dict.fromkeys(ids, SESSION)) as zephr,
        parts.serving(zephr, workers=workers, threads=REQUESTS, redis_url=redis_url) as site,
    ):
        # The first round only lets each worker get to know the key.
        _ask(site, zephr, ids[0])
        calls, seconds = zip(*(_ask(site, zephr, session_id) for session_id in ids[1:]), strict=True)
    return (
        name,
        str(ROUNDS),
        f"{statistics.median(calls):.0f}",
        f"{max(calls)}",
        f"{statistics.median(seconds):.2f} s",
    )


def _ask(site: parts.Site, zephr: ZephrStandIn, session_id: str) -> tuple[int, float]:
    zephr.requests.clear()
    start = time.monotonic()
    paths = [f"/v3/sessions/{session_id}"] * REQUESTS
    assert set(parts.statuses(site, paths, threads=REQUESTS)) == {200}
    return len(zephr.requests), time.monotonic() - start
