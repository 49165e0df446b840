import dataclasses
import datetime

import pytest

from jay_sessions.zephr.session import AccessModel, DeviceSession, Entitlement, State, ZephrSession

REFERENCE = {
    "tenantId": "company",
    "subTenantId": "company|demo",
    "authenticated": True,
    "v": 3,
    "session_variables": {"plan": "gold"},
    "user_id": "UU0123456789ABCD",
    "sessions": [
        {
            "supplied": False,
            "expiryDate": "2025-02-08 14:29 PM UTC",
            "startDate": "2024-02-08 09:05 AM UTC",
            "state": "authenticated",
            "device": "pc",
            "browser": "Chrome",
            "os": "Mac OSX",
            "city": "London",
            "geoState": "London",
            "deviceName": "Apple Macintosh",
            "country": "GB",
            "session_id": "26a73b7a-f7d0-48d8-85dd-a04b07313895",
        }
    ],
    "access_model": {
        "meters": {"articles": {"remaining": 2}},
        "credits": {"films": 1},
        "delivered_entitlements": [
            {"id": "0123456789ABCD", "direct": True, "meteredBy": ["articles"], "creditedBy": ["films"]}
        ],
        "granted_bundles": ["e10a5ff3-fc63-47fb-af04-75c2ec3fdf1c"],
        "jwt_bundles": [{"id": "b"}],
        "user_state": "registered",
    },
    "last_updated": 1707230240685,
    "test_groups": {"paywall": "B"},
    "second_party_data": {"segment": "sports"},
}


def test_every_field_of_the_reference_page_is_read():
    session = ZephrSession.parse(REFERENCE)
    assert session == ZephrSession(
        tenant_id="company",
        sub_tenant_id="company|demo",
        authenticated=True,
        v=3,
        session_variables={"plan": "gold"},
        user_id="UU0123456789ABCD",
        sessions=(
            DeviceSession(
                supplied=False,
                expiry_date=datetime.datetime(2025, 2, 8, 14, 29, tzinfo=datetime.UTC),
                start_date=datetime.datetime(2024, 2, 8, 9, 5, tzinfo=datetime.UTC),
                state=State.AUTHENTICATED,
                device="pc",
                browser="Chrome",
                os="Mac OSX",
                city="London",
                geo_state="London",
                device_name="Apple Macintosh",
                country="GB",
                session_id="26a73b7a-f7d0-48d8-85dd-a04b07313895",
            ),
        ),
        access_model=AccessModel(
            meters={"articles": {"remaining": 2}},
            credits={"films": 1},
            delivered_entitlements=(
                Entitlement(
                    id="0123456789ABCD", direct=True, metered_by=("articles",), credited_by=("films",)
                ),
            ),
            granted_bundles=("e10a5ff3-fc63-47fb-af04-75c2ec3fdf1c",),
            jwt_bundles=({"id": "b"},),
            user_state="registered",
        ),
        last_updated=1707230240685,
        test_groups={"paywall": "B"},
        second_party_data={"segment": "sports"},
        raw=REFERENCE,
    )


def test_fields_that_the_page_does_not_know_are_kept():
    obj = {"tenantId": "company", "future": [{"a": None}]}
    assert ZephrSession.parse(obj).raw == obj


def test_an_empty_object_is_a_session_without_anything():
    assert ZephrSession.parse({}) == ZephrSession()


@pytest.mark.parametrize("wrong", [None, True, 0, 1.5, "text", [], {}, [[]], [{}], {"a": []}, "2025-02-30"])
def test_no_value_of_a_wrong_type_is_an_error(wrong):
    def replaced(value):
        if isinstance(value, dict):
            for name, inner in value.items():
                yield {**value, name: wrong}
                yield from ({**value, name: other} for other in replaced(inner))
        if isinstance(value, list) and value:
            yield [wrong]
            yield from ([other] for other in replaced(value[0]))

    for obj in replaced(REFERENCE):
        session = ZephrSession.parse(obj)
        for field in dataclasses.fields(session):
            getattr(session, field.name)
        assert session.last_updated_at is None or session.last_updated_at.tzinfo


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("tenantId", 1, None),
        ("authenticated", 1, None),
        ("v", True, None),
        ("v", 1.0, None),
        ("session_variables", [], {}),
        ("sessions", {"supplied": True}, ()),
        ("access_model", [], None),
        ("test_groups", None, {}),
    ],
)
def test_a_value_of_a_wrong_type_counts_as_missing(name, value, expected):
    attribute = {"tenantId": "tenant_id"}.get(name, name)
    session = ZephrSession.parse({name: value})
    assert getattr(session, attribute) == expected
    assert session.raw == {name: value}


def test_what_is_no_object_in_an_array_of_objects_is_left_out():
    session = ZephrSession.parse({"sessions": [None, {"city": "Rome"}, "x"]})
    assert session.sessions == (DeviceSession(city="Rome"),)


@pytest.mark.parametrize(
    ("text", "hour", "minute"),
    [
        ("2025-02-08 14:29 PM UTC", 14, 29),
        ("2025-02-08 09:05 AM UTC", 9, 5),
        ("2025-02-08 00:00 AM UTC", 0, 0),
        ("2025-02-08 12:00 PM UTC", 12, 0),
        ("2025-02-08 23:59 PM UTC", 23, 59),
    ],
)
def test_the_dates_run_to_23_hours_and_are_in_utc(text, hour, minute):
    row = DeviceSession.parse({"startDate": text})
    assert row.start_date == datetime.datetime(2025, 2, 8, hour, minute, tzinfo=datetime.UTC)
    assert row.start_date.tzinfo is datetime.UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2025-02-08",
        "2025-02-08T14:29:00Z",
        "2025-02-08 14:29 UTC",
        "2025-02-08 14:29 PM CET",
        "2025-02-30 14:29 PM UTC",
        "2025-02-08 25:00 PM UTC",
        "2025-02-08 14:60 PM UTC",
        "2025-02-08 02:29 PM UTC",
        "2025-02-08 14:29 AM UTC",
        " 2025-02-08 14:29 PM UTC",
        "٢٠٢٥-02-08 14:29 PM UTC",
        1707230240685,
        None,
    ],
)
def test_a_date_that_cannot_be_read_for_sure_is_none(text):
    assert DeviceSession.parse({"expiryDate": text}).expiry_date is None


@pytest.mark.parametrize("state", ["anonymous", "recognised", "partially_registered", "authenticated"])
def test_the_states_of_the_reference_page_are_known(state):
    assert DeviceSession.parse({"state": state}).state == state


@pytest.mark.parametrize("state", ["", "Anonymous", "dormant", None, 1, ["anonymous"], {}])
def test_another_state_is_none(state):
    assert DeviceSession.parse({"state": state}).state is None


def test_the_last_update_is_offered_as_a_datetime_with_its_milliseconds():
    session = ZephrSession.parse({"last_updated": 1707230240685})
    assert session.last_updated_at == datetime.datetime(2024, 2, 6, 14, 37, 20, 685000, tzinfo=datetime.UTC)


@pytest.mark.parametrize("value", [10**15, -(10**15), 10**30, -(10**400), None, "1707230240685", 1.5])
def test_a_last_update_that_no_datetime_holds_is_none(value):
    assert ZephrSession.parse({"last_updated": value}).last_updated_at is None


def test_a_session_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ZephrSession.parse({}).user_id = "other"
