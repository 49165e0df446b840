"""Transactions that see one state of the database, and what that state is called."""

import pytest
from django.db import connection, transaction

from jay_sessions.database import snapshots
from jay_sessions.models import TrackingSession
from jay_sessions.models.rollups import RollupState

from ..conftest import sql_refused

TABLE = RollupState._meta.db_table
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's snapshots."),
]


def test_what_others_commit_meanwhile_is_not_seen():
    other = connection.copy()
    try:
        with snapshots.one_state("default", TABLE):
            assert not TrackingSession.objects.exists()
            before = snapshots.current("default")
            with other.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO jay_tracking_session (session_id, playout_id, source, started_at) "
                    "VALUES ('01a22e2d-eaf1-7649-8000-000000000001', 'a', 'b', now())"
                )
            assert not TrackingSession.objects.exists()
            assert snapshots.current("default") == before
    finally:
        other.close()
    assert TrackingSession.objects.exists()
    assert snapshots.current("default") != before


def test_inside_a_transaction_it_is_refused():
    with transaction.atomic(), pytest.raises(RuntimeError), snapshots.one_state("default", TABLE):
        pass


def test_a_cluster_that_does_not_say_its_name_has_none():
    assert snapshots.cluster("default").isdigit()
    with sql_refused("pg_control_system"):
        assert snapshots.cluster("default") == ""
