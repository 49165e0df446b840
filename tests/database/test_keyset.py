import uuid

import pytest

from jay_sessions import sessions
from jay_sessions.database import keyset
from jay_sessions.models import TrackingSession

from ..conftest import PLAYOUT

pytestmark = pytest.mark.django_db


@pytest.fixture
def ids():
    return sorted(uuid.UUID(sessions.start(PLAYOUT).token.session_id) for _ in range(7))


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(("size", "queries"), [(3, 3), (7, 2), (8, 1)])
def test_each_row_is_in_one_batch_in_order(ids, descending, size, queries, django_assert_num_queries):
    rows = TrackingSession.objects.order_by("-session_id" if descending else "session_id")
    with django_assert_num_queries(queries):
        found = list(
            keyset.batches(
                rows.values_list("session_id", flat=True), "session_id", size, descending=descending
            )
        )
    expected = ids[::-1] if descending else ids
    assert found == [expected[start : start + size] for start in range(0, 7, size)]


def test_rows_may_have_more_columns_and_be_deleted_meanwhile(ids):
    rows = TrackingSession.objects.order_by("session_id").values_list("session_id", "playout_id")
    found = []
    for batch in keyset.batches(rows, "session_id", 2):
        found += batch
        TrackingSession.objects.filter(pk__in=[pk for pk, _ in batch]).delete()
    assert found == [(pk, PLAYOUT) for pk in ids]
    assert not TrackingSession.objects.exists()
