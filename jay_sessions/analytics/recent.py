"""Reads the last sessions of many users at once: they mostly tell when each was there before.

All of a user's new sessions share what is read, so a run costs nearly the same however long its users have
been there.
"""

from collections.abc import Sequence

from django.db import connections

from ..models.rollups import Dimension
from .aggregates import WITH_USERS
from .rows import Row

DEPTHS = (100, 1_000, 10_000)
"""How many of a user's sessions are read; the next ones only if those before them do not tell."""

Key = tuple[Dimension, str, str | None]
"""A dimension, a user, and the value in the dimension."""

Seen = dict[Key, int]
"""The start of the last session with a key, in milliseconds since 1970."""


def keys_of(user: str, *names: str | None) -> list[Key]:
    """Return the keys of a session with these names, for each of `WITH_USERS`."""
    return [(dimension, user, name) for dimension, name in zip(WITH_USERS, ("", *names), strict=False)]


def starts(alias: str, rows: Sequence[Row]) -> tuple[Seen, set[str]]:
    """Return the last starts before all rows, as far as the `DEPTHS` sessions of their users tell.

    The second result are users for whom this is not all: their older sessions may have the other values.
    """
    seen: Seen = {}
    # What is asked for, and the session before which the next ones are read.
    asked = {
        (user, row.playout, row.provider, row.source): rows[0].text
        for row in rows
        if (user := row.user) is not None
    }
    for depth in DEPTHS if connections[alias].vendor == "postgresql" else ():
        if not asked:
            break
        columns = [list(column) for column in zip(*asked, strict=True)]
        given = list(asked)
        with connections[alias].cursor() as cursor:
            cursor.execute(_QUERY, [*columns, list(asked.values()), depth])
            for number, count, oldest, *found in cursor.fetchall():
                one = given[number - 1]
                keys = keys_of(*one)
                for key, start in zip(keys, found, strict=True):
                    if start is not None:
                        seen.setdefault(key, start)
                # Nothing is counted for a name that a session does not have.
                if count < depth or all(key in seen for key in keys if key[2] is not None):
                    del asked[one]
                else:
                    asked[one] = oldest
    return seen, {user for user, *_ in asked}


_START = "('x' || translate(left(ids[{}]::text, 13), '-', ''))::bit(48)::bigint"
# Reads along the user's index, once for each user: OFFSET keeps the inner part as it is. The first of each
# array is the nearest session.
_QUERY = f"""
SELECT
    one.number,
    cardinality(ids),
    ids[cardinality(ids)]::text,
    {_START.format("1")},
    {_START.format("array_position(playouts, one.playout)")},
    {_START.format("array_position(providers, one.provider)")},
    {_START.format("array_position(sources, one.source)")}
FROM (
    SELECT asked.ones, earlier.*
    FROM (
        SELECT user_id, before, array_agg(ROW(number, playout, provider, source)) AS ones
        FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::uuid[]) WITH ORDINALITY
            AS one (user_id, playout, provider, source, before, number)
        GROUP BY user_id, before
    ) AS asked CROSS JOIN LATERAL (
        SELECT
            COALESCE(array_agg(session_id), '{{}}') AS ids,
            array_agg(playout_id::text) AS playouts,
            array_agg(provider_name::text) AS providers,
            array_agg(source::text) AS sources
        FROM (
            SELECT session_id, playout_id, provider_name, source
            FROM jay_tracking_session AS other
            WHERE other.user_id = asked.user_id AND other.session_id < asked.before
            ORDER BY other.session_id DESC
            LIMIT %s
        ) AS last
    ) AS earlier
    OFFSET 0
) AS of_user CROSS JOIN LATERAL unnest(ones) AS one (number bigint, playout text, provider text, source text)
"""  # noqa: S608 (our own words)
