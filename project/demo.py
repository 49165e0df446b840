"""The demo's data: an operator, API keys and some weeks of sessions."""

import dataclasses
import datetime
import json
import os
import random
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.utils import timezone

from jay_sessions import conf
from jay_sessions.api import key_cache
from jay_sessions.core.uuid7 import RANDOM_BITS, uuid7
from jay_sessions.models import ApiKey, EndedSession, Reason, TrackingSession
from jay_sessions.models.grants import Scope
from project.zephr_demo_sessions import DEMO_SESSIONS

OPERATOR = "demo"
MADE_HERE = "(made by the demo)"
DAYS = 90
"""Twice the 30 days of the dashboard, and a month before them in which its users can have been there."""

PLAYOUTS = {
    "netflix-de:the-crown-s01e01": 9,
    "netflix-de:dark-s02e03": 6,
    "disney-de:frozen-2": 5,
    "zdf:heute-journal": 4,
    "arte:cities-by-night": 2,
    "550e8400-e29b-41d4-a716-446655440000": 1,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials that the demo prints; kept in a file, since the site itself stores only hashes."""

    password: str = dataclasses.field(repr=False)
    tracking_key: str = dataclasses.field(repr=False)
    zephr_key: str = dataclasses.field(repr=False)
    analytics_key: str = dataclasses.field(repr=False)


def prepare(state: Path) -> Credentials:
    """Return the credentials of earlier runs, or new ones if `state` has none that still work."""
    try:
        credentials = Credentials(**json.loads(state.read_text()))
    except (OSError, ValueError, TypeError):
        credentials = Credentials(secrets.token_urlsafe(9), "", "", "")
    credentials = dataclasses.replace(
        credentials,
        tracking_key=_key("demo tracking", Scope.TRACKING, credentials.tracking_key),
        zephr_key=_key("demo zephr", Scope.ZEPHR, credentials.zephr_key),
        analytics_key=_key("demo analytics", Scope.ANALYTICS, credentials.analytics_key),
    )
    _operator(credentials.password)
    state.parent.mkdir(exist_ok=True)
    descriptor = os.open(state, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(dataclasses.asdict(credentials), file)
    return credentials


def _key(name: str, scope: Scope, text: str) -> str:
    found = key_cache.find(text)
    if found is not None and found.is_live(timezone.now()):
        return text
    ApiKey.objects.filter(name=name).revoke()
    return ApiKey.objects.issue(name, scopes=[scope.value])[1]


def _operator(password: str) -> None:
    users = get_user_model()._default_manager
    operator, _ = users.get_or_create(
        username=OPERATOR, defaults={"is_staff": True, "is_superuser": True, "last_name": MADE_HERE}
    )
    if operator.last_name != MADE_HERE:
        raise CommandError(f"The user {OPERATOR} already exists. The demo does not change its password.")
    if not operator.check_password(password):
        operator.set_password(password)
        operator.save(update_fields=["password"])


def fill(now: datetime.datetime) -> int:
    """Store some weeks of plausible sessions before `now`, unless there are any; return their number."""
    if TrackingSession.objects.exists():
        return 0
    rng = random.Random(2025)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    rows = [
        _session(rng, today - datetime.timedelta(days=day), now)
        for day in range(DAYS)
        for _ in range(rng.randint(70, 110) + (50 if (now.weekday() - day) % 7 in (4, 5) else 0))
    ]
    rows = [row for row in rows if row.started_at < now]
    TrackingSession.objects.bulk_create(rows, batch_size=500)
    EndedSession.objects.store(_ends(rng, rows, now))
    return len(rows)


def _ends(
    rng: random.Random, rows: Iterable[TrackingSession], now: datetime.datetime
) -> Iterator[EndedSession]:
    for row in rows:
        ended_at = row.started_at + datetime.timedelta(minutes=rng.expovariate(1 / 40))
        if rng.random() < 0.4 and ended_at < now:
            yield EndedSession(session_id=row.pk, ended_at=ended_at, reason=Reason.CLIENT)


def _session(rng: random.Random, midnight: datetime.datetime, now: datetime.datetime) -> TrackingSession:
    # Most people watch in the evening, so the starts gather around half past eight.
    started = midnight + datetime.timedelta(hours=rng.gauss(20.5, 3.5) % 24)
    playout = rng.choices(list(PLAYOUTS), list(PLAYOUTS.values()))[0]
    # Each day some new users arrive, watch a lot, and stay away in the end.
    newest = 1200 - 7 * (now - midnight).days
    return TrackingSession(
        session_id=uuid7(started, rng.getrandbits(RANDOM_BITS)),
        playout_id=playout,
        provider_name=conf.get().provider_name(playout),
        user_id=f"user-{newest - int(500 * rng.random() ** 2):04d}" if rng.random() < 0.7 else None,
        source="jay.api.playout.1.0.0",
        started_at=started,
        zephr_session_id=rng.choice(list(DEMO_SESSIONS)) if rng.random() < 0.5 else None,
    )
