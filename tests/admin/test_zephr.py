import datetime
import html
import re

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import Client

from project.zephr_demo_sessions import DEMO_SESSIONS
from project.zephr_stand_in import ZephrStandIn

from ..conftest import operator

pytestmark = pytest.mark.django_db

PAGE = "/admin/jay_sessions/trackingsession/zephr/"
LIST = "/admin/jay_sessions/trackingsession/"
SESSION_ID, *_, RICHEST = DEMO_SESSIONS
PARTS = [
    ("who", "User"),
    ("sessions", "Devices"),
    ("delivered_entitlements", "Entitlements"),
    ("meters", "Meters"),
    ("credits", "Credits"),
    ("granted_bundles", "Granted bundles"),
    ("jwt_bundles", "JWT bundles"),
    ("session_variables", "Session variables"),
    ("test_groups", "Test groups"),
    ("second_party_data", "Second-party data"),
]


@pytest.fixture
def zephr(setting):
    with ZephrStandIn("access", "secret-of-the-pair") as running:
        setting(
            ZEPHR={
                "BASE_URL": running.base_url,
                "ACCESS_KEY": "access",
                "SECRET_KEY": "secret-of-the-pair",
                "TIMEOUT": 1,
            }
        )
        yield running


def look_up(client: Client, session_id: str) -> str:
    response = client.post(PAGE, {"session_id": session_id})
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    assert "secret-of-the-pair" not in response.content.decode()
    return response.content.decode()


@pytest.mark.parametrize("session_id", list(DEMO_SESSIONS))
def test_a_session_is_shown_in_words_and_raw(admin_client, zephr, session_id):
    page = look_up(admin_client, f" {session_id} ")
    device = DEMO_SESSIONS[session_id]["sessions"][0]
    for value in (session_id, device["deviceName"], device["state"], "demo|live", "second_party_data"):
        assert value in page


@pytest.mark.parametrize("session_id", list(DEMO_SESSIONS))
def test_every_part_of_a_session_is_a_table_that_a_screen_reader_can_read(admin_client, zephr, session_id):
    page = look_up(admin_client, session_id)
    content = page[page.index("<section") : page.rindex("</section>")]
    titles = re.findall(r"<h2 id=.*?>([^<]+?) *<", content)
    assert titles == [title for _, title in PARTS if title in titles]
    assert re.findall(r"<caption.*?>(.+?)<", content) == titles
    assert content.count('<th scope="row">') == content.count("<tr><th") - content.count("<thead>")
    assert not re.search("<th>|style=|<script|<style", content)
    session = DEMO_SESSIONS[session_id]
    for part, title in PARTS:
        value = session.get(part) or session["access_model"].get(part)
        assert (title in titles) is (part == "who" or bool(value)), part


def rows_of(page, title):
    """The rows of the table with that title, as lists of text, headings first."""
    section = next(part for part in page.split("<section")[1:] if re.search(f">{title} *<", part))
    rows = re.findall(r"<tr>(.*?)</tr>", section, re.DOTALL)
    # Django's pictures for yes and no are read as their `alt`.
    rows = [re.sub('<img[^>]* alt="(.*?)".*?>', r"\1", row) for row in rows]
    cells = [re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[html.unescape(re.sub("<.*?>", "", cell)) for cell in row] for row in cells]


def test_a_session_is_told_part_by_part(admin_client, zephr):
    page = look_up(admin_client, RICHEST)
    assert rows_of(page, "User") == [
        ["User id", "UU0123456789ABCD"],
        ["Authenticated", "True"],
        ["User state", "registered"],
        ["Tenant", "demo"],
        ["Sub-tenant", "demo|live"],
        ["Last updated", "Feb. 8, 2026, 9:09 a.m."],
    ]
    assert rows_of(page, "Devices")[:3] == [
        ["Device", "State", "Browser", "System", "Place", "Started", "Expires"],
        [
            *("Sony Bravia (tv)", "authenticated", "Chrome", "Android", "Lyon, Auvergne-Rhône-Alpes, FR"),
            *("Feb. 8, 2026, 9:05 a.m.", "Feb. 8, 2027, 2:29 p.m."),
        ],
        [
            *("Apple iPhone (mobile)", "authenticated", "Safari", "iOS", "München, Bavaria, DE"),
            *("Jan. 19, 2026, 6:42 p.m.", "Feb. 8, 2027, 2:29 p.m."),
        ],
    ]
    assert rows_of(page, "Entitlements") == [
        ["Entitlement", "Direct", "Metered by", "Credited by"],
        ["ENT-PREMIUM", "True", "-", "films, gift-articles"],
        ["ENT-ARTICLES", "True", "articles", "-"],
        ["ENT-LIVE", "False", "live-streams", "-"],
    ]
    assert rows_of(page, "Meters") == [
        ["Name", "Remaining", "Allowed", "Used", "Reset"],
        ["articles", "88", "100", "12", "2026-03-01T00:00:00Z"],
        ["live-streams", "0", "4", "4", "2026-02-09T00:00:00Z"],
    ]
    assert rows_of(page, "Credits") == [
        ["Name", "Remaining", "Total", "Expires", "Given"],
        ["films", "3", "5", "2026-06-30", "-"],
        ["gift-articles", "10", "10", "-", '{"by": "ENT-PREMIUM", "renewed": true}'],
    ]
    assert rows_of(page, "Granted bundles")[1:] == [
        ["e10a5ff3-fc63-47fb-af04-75c2ec3fdf1c"],
        ["5d1c7a90-6f0e-4e0f-8a8e-2f6b0c9d4e17"],
    ]
    assert rows_of(page, "Test groups")[1:] == [["paywall", "B"], ["front_page", "control"]]


@pytest.fixture
def show(admin_client, setting):
    """Look a session up that is like this; gives the page."""

    def show(session):
        with ZephrStandIn("access", "secret", sessions={"one": session}) as running:
            setting(ZEPHR={"BASE_URL": running.base_url, "ACCESS_KEY": "access", "SECRET_KEY": "secret"})
            return look_up(admin_client, "one")

    return show


HOSTILE = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    "session",
    [
        {"user_id": HOSTILE, "authenticated": HOSTILE, HOSTILE: {HOSTILE: [HOSTILE, {HOSTILE: 1}]}},
        {"sessions": [dict.fromkeys(("deviceName", "device", "city", "country", "startDate"), HOSTILE)]},
        {"access_model": {"meters": {HOSTILE: {HOSTILE: HOSTILE, f"{HOSTILE}left": HOSTILE}}}},
        {"access_model": {"delivered_entitlements": [{"id": HOSTILE, HOSTILE: [HOSTILE]}], HOSTILE: HOSTILE}},
        {"access_model": {"granted_bundles": [HOSTILE], "jwt_bundles": [{HOSTILE: HOSTILE}]}},
        {"test_groups": HOSTILE, "session_variables": [HOSTILE], "second_party_data": {HOSTILE: HOSTILE}},
    ],
)
def test_what_zephr_sends_is_shown_as_text(show, session):
    page = show(session)
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    "session",
    [
        {},
        {"access_model": None, "sessions": {"a": 1}, "test_groups": [], "last_updated": "yesterday"},
        {"access_model": [1], "sessions": [1, None, "x", []], "user_id": {"a": []}, "last_updated": 10**300},
        {"access_model": {"meters": 5, "credits": "many", "delivered_entitlements": {"id": 1}}},
        {"access_model": {"meters": [1, [2], {"left": 3}], "granted_bundles": {"a": None, "b": {"c": 1}}}},
        {"sessions": [{"deviceName": 1, "device": True, "city": ["x"], "expiryDate": {}, "state": 0}]},
        {"user_id": "\ud800", "\udfff": ["\ud800"], "access_model": {"meters": {"\ud800": {"\ud800": 1}}}},
        {"": "", "access_model": {"credits": {"": {"": ""}}}},
    ],
)
def test_a_session_of_any_shape_can_be_shown(show, session):
    assert rows_of(show(session), "User")[0][0] == "User id"


def test_a_state_and_a_date_of_another_form_are_shown_as_zephr_writes_them(show):
    page = show({"sessions": [{"state": "dormant", "startDate": "2025-02-08 02:29 PM UTC"}]})
    assert rows_of(page, "Devices")[1] == ["-", "dormant", "-", "-", "-", "2025-02-08 02:29 PM UTC", "-"]


def test_what_is_left_stands_first_and_what_is_too_much_last(show):
    meter = {f"key{number}": number for number in range(10)} | {"creditsLeft": 3}
    page = show({"access_model": {"meters": {"articles": meter}}})
    heads, values = rows_of(page, "Meters")
    assert heads == ["Name", "Credits left", *(f"Key{number}" for number in range(7)), "Further"]
    assert values == ["articles", "3", *map(str, range(7)), '{"key7": 7, "key8": 8, "key9": 9}']


def test_fields_that_the_reference_page_does_not_know_are_shown_too(show):
    page = show({"new": 1, "access_model": {"also_new": ["a", "b"]}})
    assert rows_of(page, "Other fields")[1:] == [["new", "1"], ["access_model.also_new", "a, b"]]


def test_what_is_empty_is_named_and_has_no_table(show):
    page = show({"test_groups": {"a": "b"}})
    [empty] = re.findall(r"Empty: (.*?)<", page)
    assert empty.split(", ")[:2] == ["Devices", "Entitlements"]
    assert "Test groups" not in empty
    assert page.count("<section") == 2


def test_however_much_there_is_the_page_stays_short(show):
    deep = []
    for _ in range(90):
        deep = [deep]
    page = show(
        {
            "user_id": "u" * 200_000,
            "sessions": [{"city": "x"}] * 10_000,
            "session_variables": {str(number): number for number in range(10_000)},
            "access_model": {
                "meters": {str(number): {str(number): number} for number in range(2_000)},
                "granted_bundles": ["b" * 1_000] * 200,
            },
            "test_groups": {"deep": deep, "long" * 10_000: "x"},
        }
    )
    assert len(page) < 500_000
    assert "… and 9,900 more" in page
    assert "The text is cut here" in page
    assert len(rows_of(page, "Devices")) == 102
    assert max(len(cell) for row in rows_of(page, "Granted bundles") for cell in row) == 201


NOW = datetime.datetime.now(datetime.UTC)


def standing_still(seconds):
    """A clock that stands still, so many seconds after the tests began."""
    return time_machine.travel(NOW + datetime.timedelta(seconds=seconds), tick=False)


def test_an_answer_from_the_cache_says_how_old_it_is(admin_client, zephr, setting):
    with standing_still(0):
        first = look_up(admin_client, SESSION_ID)
    assert "From the cache" not in first
    with standing_still(12):
        page = look_up(admin_client, SESSION_ID)
    assert "From the cache: this is Zephr's answer from 12 seconds ago" in page


def test_an_answer_that_is_past_its_time_says_that_zephr_fails(admin_client, zephr, setting):
    setting(ZEPHR={**settings.JAY_SESSIONS["ZEPHR"], "STALE_IF_ERROR": 600})
    with standing_still(0):
        look_up(admin_client, SESSION_ID)
    zephr.stop()
    with standing_still(60):
        page = look_up(admin_client, SESSION_ID)
    assert "Zephr is failing now. This is its answer from 60 seconds ago" in page


@pytest.mark.parametrize(
    ("session_id", "words"),
    [
        ("unknown", "knows no session"),
        ("..", "dot segment"),
        ("", "required"),
        ("x" * 256, "at most 255"),
        ("a\x00b", "Null characters"),
        ("a\x07b", "control characters"),
    ],
)
def test_an_id_that_leads_nowhere_is_explained(admin_client, zephr, session_id, words):
    assert words in look_up(admin_client, session_id)


def test_a_refused_key_pair_tells_the_operator_what_to_check(admin_client, zephr, setting):
    setting(ZEPHR={"BASE_URL": zephr.base_url, "ACCESS_KEY": "access", "SECRET_KEY": "another"})
    page = look_up(admin_client, SESSION_ID)
    assert "SECRET_KEY" in page
    assert "clock" in page


def test_a_clock_that_is_far_off_is_told_from_a_wrong_key_pair(admin_client, setting):
    with ZephrStandIn("access", "secret", clock=lambda: 1770541740) as running:
        setting(ZEPHR={"BASE_URL": running.base_url, "ACCESS_KEY": "access", "SECRET_KEY": "secret"})
        page = look_up(admin_client, SESSION_ID)
    assert "NTP" in page
    assert "SECRET_KEY" not in page


def test_a_zephr_that_is_away_tells_the_operator_what_to_check(admin_client, setting, zephr):
    zephr.stop()
    assert "BASE_URL" in look_up(admin_client, SESSION_ID)


def test_the_page_is_there_only_where_zephr_is_configured(admin_client, setting):
    setting(ZEPHR={})
    assert admin_client.get(PAGE).status_code == 404
    assert PAGE not in admin_client.get(LIST).content.decode()


def test_the_page_is_for_those_who_may(zephr):
    client = operator("view_trackingsession")
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, {"session_id": SESSION_ID}).status_code == 403
    assert PAGE not in client.get(LIST).content.decode()
    assert Client().get(PAGE).status_code == 302
    User.objects.get().user_permissions.set(
        Permission.objects.filter(codename__in=["lookup_zephr_session", "view_trackingsession"])
    )
    assert client.get(PAGE).status_code == 200
    assert PAGE in client.get(LIST).content.decode()
    assert not [seen for seen in zephr.requests if seen.path != "/"]


def test_asking_needs_a_form_of_this_site(zephr, admin_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    assert client.post(PAGE, {"session_id": SESSION_ID}).status_code == 403
