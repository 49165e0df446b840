"""Sessions made by other code, whose id carries another time than `started_at`: the id counts, everywhere."""

import datetime
import io
import json
import uuid

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.utils import timezone

from jay_sessions.analytics import rollups, statistics
from jay_sessions.analytics.statistics import Filters
from jay_sessions.core.uuid7 import uuid7
from jay_sessions.models import LinkedZephrSession, TrackingSession, TrackingSessionQuerySet
from jay_sessions.models.rollups import DailyCount, Dimension

from ..admin.test_dashboard import PAGE as DASHBOARD
from ..admin.test_sessions import LIST
from ..conftest import PLAYOUT
from ..support.ends import end

pytestmark = pytest.mark.django_db

DAY, HOUR, SECOND = (datetime.timedelta(**{unit: 1}) for unit in ("days", "hours", "seconds"))
NOON = datetime.datetime(2025, 10, 24, 12, tzinfo=datetime.UTC)
TODAY = NOON.date()

# By name: an id, how many days ago it was started, and how many its id says; None for none of those shown.
OTHER = {
    "three days later": (uuid7(NOON, 1), 3, 0),
    "three days earlier": (uuid7(NOON - 3 * DAY, 2), 0, 3),
    "just now, but started long ago": (uuid7(NOON + 10 * HOUR - 30 * SECOND, 4), 400, 0),
    "just now, but started tomorrow": (uuid7(NOON + 10 * HOUR - 30 * SECOND, 5), -1, 0),
    "the day before the first": (uuid7(NOON - 40 * DAY, 3), 5, 40),
    "a random id that looks like a time to come": (
        uuid.UUID("7d0c9f3e-6a51-4f6e-8a50-3a6ad2b4f7aa"),
        1,
        None,
    ),
    "a random id that looks like 1975": (uuid.UUID("002612a1-6a51-4f6e-8a50-3a6ad2b4f7aa"), 1, None),
    "the first id": (uuid.UUID(int=0), 1, None),
    "the last id": (uuid.UUID(int=2**128 - 1), 1, None),
}


@pytest.fixture(autouse=True)
def _now(time_machine):
    time_machine.move_to(NOON + 10 * HOUR, tick=False)


def put(rows):
    """Store rows as raw SQL would: nothing looks at them."""
    super(TrackingSessionQuerySet, TrackingSession.objects.all()).bulk_create(rows)


def row(session_id, started_at, **fields):
    fields = {"playout_id": PLAYOUT, "source": "here", "user_id": "ada", **fields}
    return TrackingSession(session_id=session_id, started_at=started_at, **fields)


def right(ago, number):
    return row(uuid7(NOON - ago * DAY, number), NOON - ago * DAY)


def store(name):
    """Store a session of each of some days and the other one; gives how many days ago its id says."""
    session_id, started, says = OTHER[name]
    put([right(ago, 10 + ago) for ago in (0, 1, 6)])
    put([row(session_id, NOON - started * DAY)])
    end(NOON + HOUR, session_id)
    return says


def test_a_session_of_other_code_that_is_stored_can_be_changed():
    put([row(uuid7(NOON, 1), NOON - 3 * DAY)])
    session = TrackingSession.objects.get()
    session.source = "there"
    session.save()
    assert TrackingSession.objects.get().source == "there"


def numbers(days=45):
    all_filters = [Filters(), Filters(Dimension.PLAYOUT, PLAYOUT), Filters(Dimension.SOURCE, "here")]
    after = TODAY + DAY
    return [
        *(statistics.by_day(filters, after - days * DAY, after) for filters in all_filters),
        *(statistics.by_week(filters, after - days * DAY, after) for filters in all_filters),
        *(statistics.total(filters, after - days * DAY, after) for filters in all_filters),
        *(
            [metrics for _, metrics in statistics.breakdown(dimension, after - days * DAY, after)]
            for dimension in Dimension
        ),
    ]


@pytest.mark.parametrize("name", OTHER)
def test_a_session_counts_on_the_day_that_its_id_carries(name, api):
    says = store(name)
    live = numbers()
    list(rollups.run())
    assert numbers() == live
    counted = [metrics.sessions for metrics in live[0]]
    days = [0, 1, 6, *([] if says is None else [says])]
    assert counted == [days.count(ago) for ago in reversed(range(45))]
    assert sum(counted) == live[6].sessions
    answer = api.get(f"/playouts/{PLAYOUT}/tracking/statistics?from={TODAY - 44 * DAY}")
    assert [bucket["sessions"] for bucket in answer.json()["data"]] == counted


@pytest.mark.parametrize("is_rolled_up", [False, True])
@pytest.mark.parametrize("name", OTHER)
def test_no_page_fails_over_it(name, is_rolled_up, api, admin_client):
    store(name)
    if is_rolled_up:
        list(rollups.run())
    for page in (LIST, f"{LIST}?period=today", f"{LIST}?state=active", f"{LIST}?q={PLAYOUT[:7]}*", DASHBOARD):
        assert admin_client.get(page).status_code == 200, page
    session_id = OTHER[name][0]
    assert admin_client.get(f"{LIST}?q={session_id}").status_code == 200
    assert admin_client.get(f"{LIST}{session_id}/change/").status_code == 200
    assert admin_client.get(f"{DASHBOARD}?period=52-weeks&playout={PLAYOUT}").status_code == 200
    for query in ("", "?active=true", "?active=false&limit=1", "?started_after=2025-10-20"):
        assert api.get(f"/playouts/{PLAYOUT}/tracking/sessions{query}").status_code == 200
    for query in ("", "?interval=hour", "?tz=Asia/Kathmandu"):
        assert api.get(f"/playouts/{PLAYOUT}/tracking/statistics{query}").status_code == 200


@pytest.mark.parametrize("name", OTHER)
def test_no_command_fails_over_it(name, setting):
    store(name)
    setting(RETENTION=20 * DAY, SESSION_LIFETIME=DAY)
    for command in (["jay_rollup_sessions"], ["jay_rollup_sessions", "--rebuild"], ["jay_purge_sessions"]):
        call_command(*command, stdout=io.StringIO(), stderr=io.StringIO())
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    call_command("jay_export_sessions", "--format", "ndjson", stdout=out, stderr=io.StringIO())
    out.flush()
    left = {json.loads(line)["session_id"] for line in out.buffer.getvalue().decode().splitlines()}
    assert len(left) == TrackingSession.objects.count()
    # It is purged by its id, as it is counted.
    is_old = OTHER[name][0].int < uuid7(NOON - 20 * DAY, 0).int
    assert (str(OTHER[name][0]) in left) is not is_old


def test_the_list_shows_it_in_the_state_that_filters_by(setting, admin_client):
    setting(SESSION_LIFETIME=DAY)
    put([row(uuid7(NOON - 3 * DAY, 1), NOON)])
    [found] = admin_client.get(f"{LIST}?state=expired").context["cl"].result_list
    page = admin_client.get(f"{LIST}?state=expired").content.decode()
    assert found.session_id == uuid7(NOON - 3 * DAY, 1)
    assert '<td class="field-state">expired</td>' in page


def test_what_zephr_said_changes_the_day_that_its_id_carries():
    put([row(uuid7(NOON - 3 * DAY, 1), NOON, zephr_session_id="phone")])
    LinkedZephrSession.objects.create(pk="phone", claimed_at=NOON, fetched_at=NOON, device="mobile")
    list(rollups.run())
    counted = DailyCount.objects.get(kind=Dimension.DEVICE)
    assert (counted.day, counted.name) == (TODAY - 3 * DAY, "mobile")


@pytest.mark.django_db(transaction=True)
def test_its_end_changes_the_day_that_its_id_carries():
    session = row(uuid7(NOON - 3 * DAY, 1), NOON)
    put([session])
    list(rollups.run())
    end(timezone.now(), session)
    list(rollups.run())
    assert DailyCount.objects.get(kind=Dimension.SITE, ended=1).day == TODAY - 3 * DAY


@pytest.mark.parametrize("name", OTHER)
def test_such_a_session_is_refused_where_it_is_made(name):
    session_id, started, _ = OTHER[name]
    session = row(session_id, NOON - started * DAY)
    for make in (session.save, session.full_clean, lambda: TrackingSession.objects.bulk_create([session])):
        with pytest.raises(ValidationError, match=r"uuid7\(started_at"):
            make()
    assert not TrackingSession.objects.exists()


def test_the_ids_of_others_that_carry_the_millisecond_are_taken():
    # As Python's own uuid7 makes them: what is below the millisecond is random.
    moment = NOON + datetime.timedelta(microseconds=1234)
    session_id = uuid.UUID(int=uuid7(moment, 5).int & ~(0xFFF << 64) | 0xABC << 64)
    row(session_id, moment).save()
    assert TrackingSession.objects.get().session_id == session_id


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], ""),
        (["three days later", "three days earlier"], "2 sessions have ids from another day"),
        (["a random id that looks like a time to come"], "1 session has an id from another day"),
    ],
)
def test_a_run_of_the_rollups_names_such_sessions(names, said):
    put([right(0, 10)])
    put([row(OTHER[name][0], NOON - OTHER[name][1] * DAY) for name in names])
    err = io.StringIO()
    call_command("jay_rollup_sessions", stdout=io.StringIO(), stderr=err)
    assert said in err.getvalue()
    assert bool(err.getvalue()) == bool(said)


def test_an_id_and_a_start_may_be_given_as_texts():
    fields = {"playout_id": PLAYOUT, "source": "here"}
    for moment in ("2025-10-24T12:00:00Z", NOON):
        session = TrackingSession.objects.create(session_id=str(uuid7(NOON, 1)), started_at=moment, **fields)
        session.delete()
    for wrong in ({"started_at": "2025-10-24T12:00:01Z"}, {"started_at": None}, {"session_id": None}):
        with pytest.raises(ValidationError, match="must contain the start"):
            TrackingSession.objects.create(
                **{"session_id": str(uuid7(NOON, 1)), "started_at": NOON, **fields, **wrong}
            )
