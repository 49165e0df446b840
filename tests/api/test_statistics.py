"""`GET /playouts/{playout_id}/tracking/statistics`, sentence by sentence of the contract."""

import datetime
from urllib.parse import urlencode

import pytest
import time_machine
from django.test import Client

from ..conftest import PLAYOUT, error_of, store_down
from .test_sessions import problem_of, store

pytestmark = pytest.mark.django_db

STATISTICS = f"/playouts/{PLAYOUT}/tracking/statistics"
NOON = datetime.datetime(2025, 9, 2, 12, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)


def asked(api, path=STATISTICS, **parameters):
    """The data of an answer that must be good."""
    with time_machine.travel(NOON, tick=False):
        response = api.get(f"{path}?{urlencode(parameters)}")
    assert response.status_code == 200, response.content
    assert (response["Cache-Control"], response["X-API-Version"]) == ("no-store", "2025-09-02")
    body = response.json()
    assert set(body) == {"data"}
    return body["data"]


def starts(*args, **parameters):
    return [bucket["start"] for bucket in asked(*args, **parameters)]


@pytest.mark.parametrize("path", [STATISTICS, f"{STATISTICS}/"], ids=["plain", "slash"])
def test_today_and_the_29_days_before_it(api, path):
    store(2, NOON - HOUR, user_id="a")
    store(1, NOON - 29 * DAY)
    data = asked(api, path)
    assert len(data) == 30
    assert data[0] == {"start": "2025-08-04T00:00:00+00:00", "sessions": 1, "users": 0}
    assert data[-1] == {"start": "2025-09-02T00:00:00+00:00", "sessions": 2, "users": 1}
    assert all((bucket["sessions"], bucket["users"]) == (0, 0) for bucket in data[1:-1])


def test_this_hour_and_the_47_before_it(api):
    with_minutes = NOON + HOUR / 2
    with time_machine.travel(with_minutes, tick=False):
        data = api.get(f"{STATISTICS}?interval=hour").json()["data"]
    assert (len(data), data[0]["start"], data[-1]["start"]) == (
        48,
        "2025-08-31T13:00:00+00:00",
        "2025-09-02T12:00:00+00:00",
    )


@pytest.mark.parametrize(
    ("interval", "zone", "begin", "expected"),
    [
        (
            "hour",
            "Australia/Lord_Howe",
            "2025-10-05T01:00",
            ["2025-10-05T01:00:00+10:30", "2025-10-05T02:30:00+11:00", "2025-10-05T03:00:00+11:00"],
        ),
        ("day", "Africa/Cairo", "2025-04-24", ["2025-04-24T00:00:00+02:00", "2025-04-25T01:00:00+03:00"]),
    ],
)
def test_a_bucket_whose_beginning_the_clock_jumps_over_begins_after_the_jump(
    api, interval, zone, begin, expected
):
    after_jump = datetime.datetime.fromisoformat(expected[1])
    store(1, after_jump - datetime.timedelta.resolution)
    store(2, after_jump)
    data = asked(api, interval=interval, tz=zone, **{"from": begin, "to": expected[-1][:10] + "T12:00"})[
        : len(expected)
    ]
    assert [bucket["start"] for bucket in data] == expected
    assert [bucket["sessions"] for bucket in data[:2]] == [1, 2]


def test_without_a_beginning_the_range_is_counted_back_from_its_end(api):
    assert starts(api, to="2025-03-01")[::29] == ["2025-01-30T00:00:00+00:00", "2025-02-28T00:00:00+00:00"]


def test_the_range_goes_on_to_now(api):
    store(1, NOON - datetime.timedelta.resolution)
    store(1, NOON)
    [bucket] = asked(api, **{"from": "2025-09-02T11:00"})
    assert bucket["sessions"] == 1


def test_times_without_offset_are_read_in_the_zone(api):
    store(1, NOON)
    [bucket] = asked(api, **{"from": "2025-09-02T17:30", "to": "2025-09-02T17:31", "tz": "Asia/Kolkata"})
    assert bucket == {"start": "2025-09-02T00:00:00+05:30", "sessions": 1, "users": 0}
    assert asked(api, **{"from": "2025-09-02T12:00Z", "to": "2025-09-02T12:01Z", "tz": "Asia/Kolkata"}) == [
        bucket
    ]


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        ("Asia/Kolkata", "2025-09-02T17:00:00+05:30"),
        ("Asia/Kathmandu", "2025-09-02T17:00:00+05:45"),
        ("Europe/Berlin", "2025-09-02T14:00:00+02:00"),
        ("UTC", "2025-09-02T12:00:00+00:00"),
    ],
)
def test_hours_are_those_of_the_zone(api, zone, start):
    moments = {"from": NOON.isoformat(), "to": (NOON + HOUR / 12).isoformat()}
    assert starts(api, interval="hour", tz=zone, **moments) == [start]


def test_days_are_those_of_the_zone_over_a_daylight_saving_change(api):
    data = {"from": "2025-10-25", "to": "2025-10-28", "tz": "Europe/Berlin"}
    assert starts(api, **data) == [
        "2025-10-25T00:00:00+02:00",
        "2025-10-26T00:00:00+02:00",
        "2025-10-27T00:00:00+01:00",
    ]
    assert len(starts(api, **{**data, "from": "2025-10-26", "to": "2025-10-27"}, interval="hour")) == 25


def test_a_month_end_and_a_leap_day(api):
    assert [start[:10] for start in starts(api, **{"from": "2024-02-28", "to": "2024-03-02"})] == [
        "2024-02-28",
        "2024-02-29",
        "2024-03-01",
    ]


def test_users_are_counted_once_in_a_bucket(api):
    for number, user in enumerate(["a", "a", "b", None]):
        store(1, NOON, first=number, user_id=user)
    assert asked(api, **{"from": "2025-09-02", "to": "2025-09-03"}) == [
        {"start": "2025-09-02T00:00:00+00:00", "sessions": 4, "users": 2}
    ]


@pytest.mark.parametrize(
    ("given", "place", "kind"),
    [
        ({"from": "2025-09-03", "to": "2025-09-02"}, "from", "range_empty"),
        ({"from": "2025-09-02", "to": "2025-09-02"}, "from", "range_empty"),
        ({"from": "2100-01-01"}, "from", "range_empty"),
        ({"from": "1990-01-01", "to": "2025-01-01"}, "from", "range_too_long"),
        ({"from": "1973-01-01", "to": "9998-12-31", "interval": "hour"}, "from", "range_too_long"),
        ({"from": "now"}, "from", "datetime_parsing"),
        ({"to": "2025-02-30"}, "to", "datetime_parsing"),
        ({"to": "0001-01-01T00:00+14:00"}, "to", "datetime_range"),
        ({"to": "1972-12-31T23:59:59", "tz": "Africa/Monrovia"}, "to", "datetime_range"),
        ({"from": "9999-01-01"}, "from", "datetime_range"),
        ({"interval": "week"}, "interval", "enum"),
        ({"tz": "Mars/Olympus"}, "tz", "timezone"),
        ({"tz": "../../etc/passwd"}, "tz", "timezone"),
        ({"tz": "/etc/localtime"}, "tz", "timezone"),
        ({"tz": "localtime"}, "tz", "timezone"),
        ({"tz": "Factory"}, "tz", "timezone"),
        ({"tz": "Europe"}, "tz", "timezone"),
        ({"tz": "x" * 255}, "tz", "timezone"),
        ({"tz": "+02:00"}, "tz", "timezone"),
    ],
    ids=str,
)
def test_a_bad_parameter_is_named(api, given, place, kind):
    assert problem_of(api.get(f"{STATISTICS}?{urlencode(given)}")) == (["query", place], kind)


@pytest.mark.parametrize("moment", ["1973-01-01", "9998-12-31T23:59:59.999999"])
@pytest.mark.parametrize("tz", ["UTC", "Pacific/Kiritimati", "Pacific/Midway"])
@pytest.mark.parametrize("interval", ["hour", "day"])
def test_the_ends_of_time_are_no_fault(api, moment, tz, interval):
    data = asked(api, to=moment, tz=tz, interval=interval)
    assert len(data) in (30, 48)
    assert all(len(bucket["start"]) == len("1973-01-01T00:00:00+00:00") for bucket in data)
    assert not any(bucket["sessions"] for bucket in data)


def test_a_key_limited_to_some_playouts_counts_what_belongs_there_and_nothing_else(issue_key):
    store(1, NOON - HOUR)
    client = Client(headers={"X-API-Key": issue_key(scopes=["analytics"], playouts=["netflix-*"])})
    assert asked(client)[-1]["sessions"] == 1
    response = client.get("/playouts/disney-de:1/tracking/statistics")
    assert error_of(response) == (403, 403, "PLAYOUT_FORBIDDEN")


def test_the_key_needs_the_scope_analytics(issue_key):
    client = Client(headers={"X-API-Key": issue_key(scopes=["tracking", "zephr"])})
    assert error_of(client.get(STATISTICS)) == (403, 403, "SCOPE_REQUIRED")


def test_a_database_that_is_away_is_a_503(api):
    api.get(STATISTICS)
    with store_down():
        response = api.get(STATISTICS)
    assert error_of(response) == (503, 503, "STORE_UNAVAILABLE")
    assert response["Retry-After"]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_it_is_there_to_be_read(api, method):
    assert error_of(api.generic(method, STATISTICS)) == (405, 405, "METHOD_NOT_ALLOWED")
