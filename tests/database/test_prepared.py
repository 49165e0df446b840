"""A PostgreSQL behind a pooler, as this process sees it: each answer is right, nothing is planned ahead."""

import os
import threading

import pytest
from django.db import connection, connections

from jay_sessions.database import prepared

from ..conftest import PATH, forget_shared, token_of
from ..support.pgbouncer import SERVER_CONNECTIONS, pgbouncer

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="Speaks of PostgreSQL."),
]


@pytest.fixture(params=[False, True], ids=["unsaid", "said"])
def says_so(request, tmp_path, monkeypatch):
    """Let all connections of this process go through a PgBouncer; gives whether the settings say so."""
    with pgbouncer(os.environ["DATABASE_URL"], tmp_path) as place:
        changed = {"HOST": place["HOST"], "PORT": place["PORT"], "CONN_MAX_AGE": 60}
        for name, value in {**changed, "DISABLE_SERVER_SIDE_CURSORS": request.param}.items():
            monkeypatch.setitem(connections.settings["default"], name, value)
        # As a process that has warned of nothing yet.
        monkeypatch.setattr(prepared, "_unsaid", threading.Lock())
        begin_anew()
        yield request.param
        begin_anew()


def begin_anew():
    """Let the next request open a connection."""
    forget_shared()
    connection.close()


@pytest.mark.parametrize("recorder", ["direct", "group"])
def test_behind_a_pooler_nothing_is_planned_ahead(says_so, api, setting, caplog, recorder):
    setting(RECORDER=recorder)
    for _ in range(2):
        token = token_of(api.post(PATH))
        answers = [ask(PATH, headers={"X-JAY-TRACKING": token}) for ask in (api.get, api.delete, api.get)]
        assert [answer.status_code for answer in answers] == [200, 200, 400]
        # Each connection that the pooler has to the server takes its turn.
        for _ in range(SERVER_CONNECTIONS):
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_prepared_statements")
                assert cursor.fetchone() == (0,)
        begin_anew()
    assert caplog.text.count("PostgreSQL is behind a connection pooler") == int(not says_so)
