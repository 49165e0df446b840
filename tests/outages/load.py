"""Clients that start, read and end sessions all the time, and ask whether the site is ready.

Each knows what it was told before, and so what it must be told next: a session that was acknowledged is
valid until somebody asks to end it, and never again once that was acknowledged.
"""

import collections
import contextlib
import dataclasses
import random
import secrets
import time
import uuid

from ..support.clients import CUT_OFF, RIGHT, Clients, Connection, Reply
from ..support.servers import PATH, Server

LIVE, ENDING, ENDED = "live", "ending", "ended"
ENDED_SAYS = "The tracking session has ended."
PAUSE = 0.03
"""Seconds between a client's requests, so that they leave the processors to the site."""

ROLES = {"POST": 4, "GET": 3, "DELETE": 1, "READY": 1}
"""How many clients there are of each verb."""


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """A request of one of the verbs POST, GET, DELETE and READY, and what became of it.

    `sent` and `answered` are seconds of `time.monotonic`; `says` is what is shown of it where it is wrong.
    """

    verb: str
    sent: float
    answered: float
    kind: str
    status: int
    says: str = ""


@dataclasses.dataclass(slots=True)
class Known:
    """An acknowledged session, and what its clients know of its end; times are of `monotonic`, in seconds.

    `is_at_risk` says that its row or its end may be lost, as a standby had not got it.
    """

    session_id: uuid.UUID
    user_id: str
    token: str
    started: float
    state: str = LIVE
    at: float = 0.0
    is_at_risk: bool = False


@dataclasses.dataclass(slots=True)
class _Course:
    """How it goes for one client: when its last right answer came, and the last other one."""

    right: float = 0.0
    other: float = 0.0


class Load(Clients):
    """The clients, at work from the beginning of the block to its end.

    `propagation` is the site's `END_PROPAGATION` in seconds; `not_ready` is what an unready site says. A
    request that is still unanswered seconds after the end does not count.
    """

    def __init__(self, server: Server, propagation: float = 0.0, not_ready: int = 503) -> None:
        super().__init__(server, grace=2.0)
        self.name = secrets.token_hex(4)
        self.answers: list[Answer] = []
        self.known: list[Known] = []
        self.began = time.monotonic()
        self._allowance = propagation + 2.0 if propagation else 0.0
        self._not_ready = not_ready
        self._counts: collections.Counter[str] = collections.Counter()
        self._courses: list[_Course] = []
        for verb, clients in ROLES.items():
            for number in range(clients):
                course = _Course()
                self._courses.append(course)
                self.add(self._client, verb, course, f"{self.name}-{number}")

    def settle(self, *, quiet: float = 2.0, within: float = 20.0) -> bool:
        """Return once each client has had nothing but right answers for `quiet` seconds, with True.

        With False where that has not come `within` that many seconds.
        """
        began = time.monotonic()
        while time.monotonic() < began + within:
            now = time.monotonic()
            if now - began >= quiet and all(
                now - course.right < 1.0 and now - max(course.other, began) >= quiet
                for course in self._courses
            ):
                return True
            self.ended.wait(0.1)
        return False

    def risk(self, since: float) -> None:
        """Expect nothing of what was acknowledged after that time, before now: it may be lost."""
        with self.lock:
            for known in self.known:
                if known.started >= since or known.at >= since or known.state == ENDING:
                    known.is_at_risk = True

    def ask_again(self, since: float, most: int = 30) -> None:
        """Read sessions once more after the end, each in more than one process of the site.

        Those that were ended first after `since`, and some of all; wait until everybody may know of them.
        """
        time.sleep(self._allowance)
        chosen = random.Random(self.name)
        sure = [known for known in self.known if not known.is_at_risk]
        ended = sorted((known for known in sure if known.state == ENDED), key=lambda known: known.at)
        picked = [known for known in ended if known.at >= since][:most]
        for some in (ended, [known for known in sure if known.state == LIVE]):
            picked += chosen.sample(some, min(most // 2, len(some)))
        for _ in range(4):
            # Made anew now and then, it leads to all processes.
            with Connection(self.server, 15) as connection:
                self.answers.extend(self._read(connection, known) for known in picked)

    def _client(self, connection: Connection, verb: str, course: _Course, name: str) -> None:
        chosen = random.Random(name + verb)
        ask = {"POST": self._post, "GET": self._get, "DELETE": self._delete, "READY": self._ready}[verb]
        while not self.ended.wait(PAUSE):
            answer = ask(connection, name, chosen)
            if answer is None or (self.ended.is_set() and answer.kind == CUT_OFF):
                continue
            if answer.kind == RIGHT and (verb != "READY" or answer.status == 200):
                course.right = answer.answered
            else:
                course.other = answer.answered
                self.ended.wait(PAUSE)
            with self.lock:
                self.answers.append(answer)

    def _post(self, connection: Connection, name: str, chosen: random.Random) -> Answer:
        with self.lock:
            self._counts[name] += 1
            user_id = f"{name}-{self._counts[name]}"
        reply = connection.ask("POST", f"{PATH}?user_id={user_id}")
        is_right = False
        with contextlib.suppress(KeyError, TypeError, ValueError):
            if reply.status == 200 and reply.said["data"]["userId"] == user_id:
                session = uuid.UUID(reply.said["data"]["sessionId"])
                known = Known(session, user_id, reply.headers["X-JAY-TRACKING"], reply.answered)
                is_right = True
                with self.lock:
                    self.known.append(known)
        return _answer("POST", reply, is_right)

    def _get(self, connection: Connection, name: str, chosen: random.Random) -> Answer | None:
        known = self._one_of(chosen, *((ENDED,) if chosen.random() < 0.4 else (LIVE, ENDING, ENDED)))
        if known is None:
            return None
        return self._read(connection, known)

    def _read(self, connection: Connection, known: Known) -> Answer:
        before, since = known.state, known.at
        reply = connection.ask("GET", token=known.token)
        if before == ENDED and reply.sent >= since + self._allowance:
            is_right = _is_invalid(reply)
        elif known.state == LIVE:
            is_right = _is_valid(reply, known)
        else:
            is_right = _is_valid(reply, known) or _is_invalid(reply)
        is_right = is_right or (known.is_at_risk and (_is_valid(reply, known) or _is_invalid(reply)))
        return _answer("GET", reply, is_right, f"{before}, then {known.state} {known.session_id}")

    def _delete(self, connection: Connection, name: str, chosen: random.Random) -> Answer | None:
        # One whose end is not known yet is asked for again, as a client does that was refused.
        known = self._one_of(chosen, ENDING) or self._one_of(chosen, LIVE)
        if known is None:
            return None
        known.state = ENDING
        reply = connection.ask("DELETE", token=known.token)
        is_right = reply.status == 200 and isinstance(reply.said, dict)
        is_right = is_right and reply.said.get("data") == {"message": ENDED_SAYS}
        if is_right:
            known.at, known.state = reply.answered, ENDED
        is_right = is_right or (known.is_at_risk and reply.status == 200)
        return _answer("DELETE", reply, is_right, str(known.session_id))

    def _ready(self, connection: Connection, name: str, chosen: random.Random) -> Answer:
        reply = connection.ask("GET", "/health/ready/")
        is_right = reply.status in (200, self._not_ready) and isinstance(reply.said, dict)
        return _answer("READY", reply, is_right)

    def _one_of(self, chosen: random.Random, *states: str) -> Known | None:
        # Mostly of the last ones, but of all.
        with self.lock:
            last = self.known[-200:] if chosen.random() < 0.8 else self.known
            found = [known for known in last if known.state in states and not known.is_at_risk]
        return chosen.choice(found) if found else None


def _is_valid(reply: Reply, known: Known) -> bool:
    with contextlib.suppress(KeyError, TypeError):
        return reply.status == 200 and bool(reply.said["data"]["sessionId"] == str(known.session_id))
    return False


def _is_invalid(reply: Reply) -> bool:
    with contextlib.suppress(KeyError, TypeError):
        return reply.status == 400 and bool(reply.said["error"]["details"] == "TRACKING_NOT_VALID")
    return False


def _answer(verb: str, reply: Reply, is_right: bool, about: str = "") -> Answer:
    kind = reply.kind(is_right)
    says = f"{about} {reply.status} {reply.said}"[:300] if kind != RIGHT else ""
    return Answer(verb, reply.sent, reply.answered, kind, reply.status, says)
