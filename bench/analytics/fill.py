"""Sessions of a year, as they come to a site: few playouts have most of them, few users come often."""

import datetime
import random
from collections.abc import Iterator

from django.db import connection

from jay_sessions.core.uuid7 import RANDOM_BITS, uuid7
from jay_sessions.models import EndedSession, TrackingSession

from .visits import PLAYOUTS, PROVIDERS, USERS_PER_SESSION

YEAR = datetime.timedelta(days=365)
COLUMNS = ("session_id", "playout_id", "provider_name", "user_id", "source", "started_at")
# Six of ten are ended, after 40 minutes in the mean.
_ENDS = """
INSERT INTO jay_ended_session (session_id, ended_at, transaction, reason)
SELECT
    session_id,
    started_at - ln(1 - random()) * interval '40 minutes',
    pg_current_xact_id()::text::bigint,
    'client'
FROM jay_tracking_session WHERE random() < 0.6
"""


def fill(count: int) -> None:
    """Store so many sessions of the past year by COPY, and build the indexes anew."""
    table, indexes = TrackingSession._meta.db_table, TrackingSession._meta.indexes
    with connection.schema_editor() as editor:
        for index in indexes:
            editor.remove_index(TrackingSession, index)
    columns = ", ".join(COLUMNS)
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        for row in _rows(count):
            copy.write_row(row)
    with connection.schema_editor() as editor:
        for index in indexes:
            editor.add_index(TrackingSession, index)
    with connection.cursor() as cursor:
        cursor.execute(_ENDS)
    vacuum(table, EndedSession._meta.db_table)


def vacuum(*tables: str) -> None:
    """Let PostgreSQL know what is in the tables."""
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE {', '.join(tables)}")


def _rows(count: int) -> Iterator[tuple[object, ...]]:
    rng = random.Random(count)
    now = datetime.datetime.now(datetime.UTC)
    playouts = [f"{PROVIDERS[number % len(PROVIDERS)]}-de:{number:04d}" for number in range(PLAYOUTS)]
    users = max(10, int(count * USERS_PER_SESSION))
    for number in range(count):
        # A site that grows.
        started = now - YEAR * (1 - ((number + rng.random()) / count) ** 0.8)
        playout = playouts[int(PLAYOUTS ** rng.random()) - 1]
        user = f"user-{int(users * rng.random() ** 2):07d}" if rng.random() < 0.7 else None
        yield (
            uuid7(started, rng.getrandbits(RANDOM_BITS)),
            playout,
            playout.partition("-")[0],
            user,
            "jay.api.playout.1.0.0",
            started,
        )
