"""What must hold of the answers to a load, and what clients saw of an outage, in numbers."""

import collections
import contextlib
import dataclasses
import itertools
import uuid
from collections.abc import Iterable

import psycopg

from ..support.clients import CUT_OFF, HUNG, REFUSED, RIGHT, WRONG
from .load import ENDED, ENDING, Answer, Known, Load

RECOVERY = 10.0
"""Seconds after an outage within which all must be as before."""

SLOWEST = 12.0
"""Seconds that no answer may take, whatever happens: a deadline of 3 s twice, and a slow machine."""

Rows = dict[uuid.UUID, tuple[str, bool]]
"""User id and whether it is ended, by session."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What clients saw of an outage that ended (or silence that began) at a time; all times in seconds."""

    counts: dict[str, dict[str, int]]
    """By verb how many answers of which kind there were."""
    recovered: float
    """From then to the last answer that was not right."""
    gap: float
    """The longest time in which no POST was acknowledged."""
    slowest: float
    false_ready: float
    """The longest time for which the site said that it was ready while no POST was acknowledged."""
    lost: int
    twice: int
    revived: int
    at_risk: int
    """Sessions acknowledged or ended by a server that was lost before a standby had got that."""
    unacknowledged: int
    """Rows whose client was told nothing, or that they may not be there."""
    faults: list[str]
    """What does not hold."""

    def __str__(self) -> str:
        posts = self.counts.get("POST", {})
        return (
            f"{sum(posts.values())} POST, {posts.get(RIGHT, 0)} acknowledged, {self._all(REFUSED)} refused, "
            f"{self._all(HUNG) + self._all(CUT_OFF)} unanswered, {self._all(WRONG)} wrong; "
            f"longest gap {self.gap:.1f} s, slowest answer {self.slowest:.1f} s, "
            f"recovered after {self.recovered:.1f} s; "
            f"{self.lost} lost, {self.twice} twice, {self.revived} revived"
            + (f", {self.at_risk} at risk" if self.at_risk else "")
        )

    def _all(self, kind: str) -> int:
        return sum(counts.get(kind, 0) for counts in self.counts.values())


def rows_of(database_url: str) -> Rows:
    """Return the sessions that the database has."""
    statement = (
        "SELECT session_id, user_id, ended_at IS NOT NULL "
        "FROM jay_tracking_session LEFT JOIN jay_ended_session USING (session_id)"
    )
    with contextlib.closing(psycopg.connect(database_url)) as connection:
        return {session: (user_id, ended) for session, user_id, ended in connection.execute(statement)}


def judge(
    load: Load, rows: Rows, over: float, *, settled: bool = True, unanswered: Iterable[str] = ()
) -> Verdict:
    """Compare what an ended load was told with the rows, for an outage that was `over` then (`monotonic`).

    `unanswered` are the verbs whose requests may get no answer, as when the site itself is killed.
    """
    answers = load.answers
    bad = [a for a in answers if a.kind != RIGHT or (a.verb == "READY" and a.status != 200)]
    acknowledged = [a.answered for a in answers if a.verb == "POST" and a.kind == RIGHT]
    end = max((a.answered for a in answers if a.verb == "POST"), default=over)
    gaps = _gaps([load.began, *sorted(acknowledged), end])
    told = {known.session_id for known in load.known}
    sure = [known for known in load.known if not known.is_at_risk]
    mine = [(session, user) for session, (user, _) in rows.items() if (user or "").startswith(load.name)]
    verdict = Verdict(
        counts=_counts(answers),
        recovered=max((a.answered - over for a in bad), default=0.0),
        gap=max(later - earlier for earlier, later in gaps),
        slowest=max((a.answered - a.sent for a in answers), default=0.0),
        false_ready=_false_ready(answers, gaps),
        lost=sum(rows.get(known.session_id, ("", 0))[0] != known.user_id for known in sure),
        twice=_twice(user for _, user in mine) + _twice(known.session_id for known in load.known),
        revived=sum(_is_revived(known, rows) for known in sure),
        at_risk=len(load.known) - len(sure),
        unacknowledged=sum(session not in told for session, _ in mine),
        faults=[],
    )
    verdict.faults.extend(_faults(verdict, answers, settled, set(unanswered)))
    return verdict


def _faults(verdict: Verdict, answers: list[Answer], settled: bool, unanswered: set[str]) -> list[str]:
    faults = [f"{a.verb} wrong: {a.says}" for a in answers if a.kind == WRONG][:5]
    for kind in (HUNG, CUT_OFF):
        if many := [a for a in answers if a.kind == kind and a.verb not in unanswered]:
            verbs = dict(collections.Counter(a.verb for a in many))
            faults.append(f"{kind}: {verbs}")
    told = {"lost": verdict.lost, "twice": verdict.twice, "revived": verdict.revived}
    faults += [f"{count} {name}" for name, count in told.items() if count]
    if not settled:
        faults.append("It has not recovered: " + _last_of(answers))
    elif verdict.recovered > RECOVERY:
        faults.append(f"It took {verdict.recovered:.1f} s to recover.")
    if verdict.slowest > SLOWEST:
        slowest = max(answers, key=lambda a: a.answered - a.sent)
        faults.append(f"A {slowest.verb} was {slowest.kind} after {verdict.slowest:.1f} s.")
    if verdict.false_ready > RECOVERY:
        faults.append(f"It said ready for {verdict.false_ready:.1f} s while no POST was acknowledged.")
    return faults


def _last_of(answers: list[Answer]) -> str:
    # What each verb was answered in the last seconds.
    end = max((a.answered for a in answers), default=0.0)
    last = collections.Counter(f"{a.verb} {a.kind} {a.status}" for a in answers if a.answered > end - 3)
    return ", ".join(f"{count} {name}" for name, count in sorted(last.items()))


def _counts(answers: list[Answer]) -> dict[str, dict[str, int]]:
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for answer in answers:
        is_unready = answer.verb == "READY" and answer.kind == RIGHT and answer.status != 200
        counts[answer.verb]["unready" if is_unready else answer.kind] += 1
    return {verb: dict(kinds) for verb, kinds in sorted(counts.items())}


def _gaps(times: list[float]) -> list[tuple[float, float]]:
    return list(itertools.pairwise(times))


def _false_ready(answers: list[Answer], gaps: list[tuple[float, float]]) -> float:
    asked = sorted((a for a in answers if a.verb == "READY"), key=lambda a: a.answered)
    longest = 0.0
    for earlier, later in gaps:
        since = earlier
        for answer in asked:
            if since < answer.answered < later:
                if answer.kind == RIGHT and answer.status == 200:
                    longest = max(longest, answer.answered - since)
                else:
                    since = answer.answered
    return longest


def _twice(values: Iterable[object]) -> int:
    return sum(count - 1 for count in collections.Counter(values).values())


def _is_revived(known: Known, rows: Rows) -> bool:
    ended = rows.get(known.session_id, ("", None))[1]
    return (known.state == ENDED and ended is False) or (known.state not in (ENDED, ENDING) and bool(ended))
