"""Where a user id appears, what finds it, and who has one at all: the tables of docs/privacy.md."""

import datetime
import io
import json
import logging
import os
import re
from contextlib import contextmanager

import pytest
from django.apps import apps
from django.core import checks
from django.core.management import call_command
from django.db import models
from django.test import RequestFactory

from jay_sessions import sessions
from jay_sessions.analytics import rollups, site_days, statistics
from jay_sessions.analytics.statistics import Filters
from jay_sessions.core import user_ids
from jay_sessions.middleware import TrackingSessionMiddleware
from jay_sessions.models import TrackingSession
from jay_sessions.models.rollups import DailyCount, Dimension, PlayoutWindows
from jay_sessions.signals import session_started

from .admin.test_sessions import LIST
from .conftest import PATH, PLAYOUT, members_of, token_of
from .support.pages import blocks, page, section

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = page("docs/privacy.md")

USER = "ada@example.com"
NEW, OLD = "the secret of this year, 32 characters", "the secret of last year, 32 characters"
HASHED, WITH_OLD_KEY = (user_ids.hashed(USER, user_ids.hashing_key(secret)) for secret in (NEW, OLD))
FORMS = {"as sent": USER, "hashed": HASHED, "hashed with the old key": WITH_OLD_KEY, "nothing": None}

# The settings with which a session is started, and those with which it is looked at.
ROTATED = {"USER_ID_STORAGE": "hashed", "USER_ID_KEYS": [NEW, OLD]}
COLUMNS = {
    "`plain`": ({"USER_ID_STORAGE": "plain"}, {"USER_ID_STORAGE": "plain"}),
    "`hashed`": (ROTATED, ROTATED),
    "`hashed`, before a rotation": ({"USER_ID_STORAGE": "hashed", "USER_ID_KEYS": [OLD]}, ROTATED),
    "`hashed`, the old key dropped": (
        {"USER_ID_STORAGE": "hashed", "USER_ID_KEYS": [OLD]},
        {"USER_ID_STORAGE": "hashed", "USER_ID_KEYS": [NEW]},
    ),
    "`none`": ({"USER_ID_STORAGE": "none"}, {"USER_ID_STORAGE": "none"}),
}
STORED = ["as sent", "hashed", "hashed with the old key", "nothing"]
GIVEN_BACK = ["as sent", "as sent", "as sent", "nothing"]
NUMBERS = ["a number", "a number", "a number", "nothing"]
APPEARS = {
    "the session's row": STORED,
    "the token, in cookie and header": GIVEN_BACK,
    "the answers of POST and GET": GIVEN_BACK,
    "`request.tracking_session`": GIVEN_BACK,
    "the signals' `session`": STORED,
    "the listing `tracking/sessions`": STORED,
    "the admin's list": STORED,
    "exports, in the admin and by command": STORED,
    "rollups and statistics": NUMBERS,
    "the log": ["nothing"] * 4,
}
APPEARS_IN = [column for column in COLUMNS if "dropped" not in column]
FINDS = {
    "the id as it was sent": ["found", "found", "found", "not found", "not found"],
    "the form that is stored": ["found", "found", "found", "found", "not found"],
}


def table(text, first_cell=""):
    """The rows of the first table whose head begins with that cell, by their first cell."""
    lines = re.search(rf"^\| ?{first_cell} ?\|.*\n(?:\|.*\n)+", text, re.MULTILINE)[0].splitlines()
    head, _, *rows = ([cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines)
    return head[-len(rows[0]) + 1 :], {row[0]: row[1:] for row in rows}


def test_the_tables_of_the_documentation_are_those_of_the_tests():
    text = section(TEXT, "In which form a user id is kept")
    assert table(text) == (APPEARS_IN, APPEARS)
    assert table(text.split("What finds the session")[1]) == ([*COLUMNS], FINDS)


@contextmanager
def signalled():
    found = []

    def receive(sender, session, **kwargs):
        found.append(session.user_id)

    session_started.connect(receive)
    try:
        yield found
    finally:
        session_started.disconnect(receive)


def form_in(text):
    """The form that a text holds, and it must be one alone."""
    found = [name for name, form in FORMS.items() if form is not None and form in text]
    assert len(found) <= 1, found
    return found[0] if found else "nothing"


def exported_by(*command):
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    call_command(*command, stdout=out, stderr=io.StringIO())
    return out.buffer.getvalue().decode()


def everything_of_the_rollups():
    kept = [model.objects.values_list() for model in (DailyCount, PlayoutWindows)]
    return repr([list(rows) for rows in kept])


def appears(api, admin_client, setting, caplog, column):
    """Where a session appears, and in which form."""
    found = {}
    before, after = COLUMNS[column]
    setting(**before)
    with signalled() as signals, caplog.at_level(logging.DEBUG):
        started = api.post(f"{PATH}?user_id={USER}")
    token = token_of(started)
    [signal] = signals
    found["the signals' `session`"] = form_in(str(signal))
    setting(**after)
    [found["the session's row"]] = map(
        form_in, map(str, TrackingSession.objects.values_list("user_id", flat=True))
    )
    in_token = form_in(json.dumps(members_of(token)))
    assert token == started.cookies["__Secure-jay_tracking"].value
    found["the token, in cookie and header"] = in_token
    answers = {form_in(answer.content.decode()) for answer in (started, api.get(PATH))}
    [found["the answers of POST and GET"]] = answers
    request = RequestFactory().get("/", headers={"X-JAY-TRACKING": token})
    TrackingSessionMiddleware(lambda request: None)(request)
    found["`request.tracking_session`"] = form_in(str(request.tracking_session.user_id))
    found["the listing `tracking/sessions`"] = form_in(api.get(f"{PATH}s").content.decode())
    listed = admin_client.get(LIST)
    found["the admin's list"] = form_in(listed.content.decode())
    by_admin = admin_client.post(f"{LIST}export/", {"format": "ndjson"}).getvalue().decode()
    exports = {form_in(by_admin), form_in(exported_by("jay_export_sessions"))}
    [found["exports, in the admin and by command"]] = exports
    list(rollups.run())
    assert form_in(everything_of_the_rollups()) == "nothing"
    day = site_days.day_of(TrackingSession.objects.get().started_at)
    users = statistics.total(Filters(Dimension.SITE), day, day + datetime.timedelta(days=1)).users
    found["rollups and statistics"] = "a number" if users == 1 else "nothing"
    found["the log"] = form_in(caplog.text)
    return found


@pytest.mark.parametrize("column", APPEARS_IN)
def test_a_user_id_appears_where_the_table_says(api, admin_client, setting, caplog, column):
    number = APPEARS_IN.index(column)
    expected = {where: forms[number] for where, forms in APPEARS.items()}
    assert appears(api, admin_client, setting, caplog, column) == expected


def looked_for(api, admin_client, user_id):
    """Whether each of the ways to look for a user finds the only session."""
    [session] = TrackingSession.objects.values_list("session_id", flat=True)
    by_listing = api.get(f"{PATH}s", {"user_id": user_id}).json()["data"]
    by_admin = admin_client.get(LIST, {"q": user_id}).context["cl"].result_list
    texts = [
        exported_by("jay_export_sessions", "--user-id", user_id),
        exported_by("jay_export_user", user_id),
    ]
    erased = io.StringIO()
    call_command("jay_erase_user", user_id, stdout=erased, stderr=io.StringIO())
    return {
        bool(by_listing),
        bool(by_admin),
        *(str(session) in text for text in texts),
        "1 " in erased.getvalue(),
    }


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("given", FINDS)
def test_a_session_is_found_as_the_table_says(api, admin_client, setting, column, given):
    before, after = COLUMNS[column]
    setting(**before)
    token_of(api.post(f"{PATH}?user_id={USER}"))
    setting(**after)
    stored = TrackingSession.objects.get().user_id
    user_id = USER if given == "the id as it was sent" else stored or HASHED
    expected = FINDS[given][[*COLUMNS].index(column)]
    assert looked_for(api, admin_client, user_id) == {expected == "found"}


def test_the_beginning_of_an_id_finds_what_is_stored_as_it_was_sent_alone(api, setting):
    token_of(api.post(f"{PATH}?user_id={USER}"))
    setting(**ROTATED)
    token_of(api.post(f"{PATH}?user_id={USER}"))
    lines = exported_by("jay_export_sessions", "--user-id", "ada*", "--format", "ndjson").splitlines()
    assert [json.loads(line)["user_id"] for line in lines] == [USER]


def test_without_keys_of_its_own_the_keys_are_made_of_secret_key(api, settings, setting):
    setting(USER_ID_STORAGE="hashed")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD, []
    token_of(api.post(f"{PATH}?user_id={USER}"))
    assert TrackingSession.objects.get().user_id == WITH_OLD_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]
    assert len(api.get(f"{PATH}s", {"user_id": USER}).json()["data"]) == 1


def test_a_bad_user_id_is_refused_where_none_is_stored(api, setting):
    setting(USER_ID_STORAGE="none", GLOBAL_PRIVACY_CONTROL=True)
    for headers in ({}, {"Sec-GPC": "1"}):
        assert api.post(f"{PATH}?user_id=%00", headers=headers).status_code == 422
    assert not TrackingSession.objects.exists()


# Who is there, whether he agreed, and whether his browser asks for privacy.
CONSENT = {
    ("a guest", "agreed"): "a session",
    ("a guest", "did not agree"): "a session",
    ("logged in", "agreed"): "a session with the user id",
    ("logged in", "did not agree"): "a session",
}


def test_the_table_of_consent_is_that_of_the_documentation():
    head, rows = table(section(TEXT, "Who has agreed"))
    assert {(who, said): rows[who][head.index(said)] for who in rows for said in head} == CONSENT


def what_is_there(token):
    """What is stored, and what the token says, which must agree."""
    session = TrackingSession.objects.get()
    assert str(session.session_id) == members_of(token)["session_id"]
    assert members_of(token).get("user_id") == session.user_id
    return "a session" if session.user_id is None else "a session with the user id"


@pytest.mark.parametrize("gpc", [None, "1", "0", "yes"])
@pytest.mark.parametrize(("who", "said"), CONSENT)
def test_a_client_that_sends_the_id_of_who_agreed_alone(api, setting, who, said, gpc):
    setting(GLOBAL_PRIVACY_CONTROL=True)
    query = f"?user_id={USER}" if (who, said) == ("logged in", "agreed") else ""
    token = token_of(api.post(f"{PATH}{query}", headers={} if gpc is None else {"Sec-GPC": gpc}))
    assert what_is_there(token) == ("a session" if gpc == "1" else CONSENT[who, said])


@pytest.mark.parametrize(("who", "said"), CONSENT)
def test_the_sites_own_code_that_says_who_agreed(who, said):
    names = {}
    exec(blocks(section(TEXT, "Who has agreed"), "python")[0], names)
    started = names["play"](USER if who == "logged in" else None, said == "agreed")
    assert what_is_there(started.encoded) == CONSENT[who, said]


def test_global_privacy_control_is_honoured_where_the_site_wants_it(api, setting):
    token_of(api.post(f"{PATH}?user_id={USER}", headers={"Sec-GPC": "1"}))
    assert TrackingSession.objects.get().user_id == USER


def test_who_asks_for_privacy_is_not_linked_to_zephr_either(api, setting):
    zephr = {"BASE_URL": "http://127.0.0.1:1", "ACCESS_KEY": "a", "SECRET_KEY": "s", "LINK_SESSIONS": True}
    setting(GLOBAL_PRIVACY_CONTROL=True, ZEPHR=zephr)
    token_of(api.post(f"{PATH}?user_id={USER}&zephr_session_id=phone", headers={"Sec-GPC": "1"}))
    session = TrackingSession.objects.get()
    assert (session.user_id, session.zephr_session_id) == (None, None)


@pytest.mark.parametrize("model", [*apps.get_app_config("jay_sessions").get_models()])
def test_the_inventory_has_every_field_that_is_stored(model):
    name = f"`{model._meta.db_table}`"
    _, of_its_own, below = TEXT.partition(f": {name}\n")
    lines = below.split("\n### ")[0] if of_its_own else re.search(rf"^\| {name} \|.*$", TEXT, re.MULTILINE)[0]
    named = set(re.findall(r"`(\w+)`", lines))
    fields = {field.name for field in model._meta.fields if not isinstance(field, models.AutoField)}
    assert fields <= named


def test_the_settings_that_are_shown_are_valid(settings, monkeypatch):
    monkeypatch.setenv("USER_ID_KEY", NEW)
    monkeypatch.setenv("OLD_USER_ID_KEY", OLD)
    shown = [code for code in blocks(TEXT, "python") if "JAY_SESSIONS" in code]
    assert len(shown) == 3
    for code in shown:
        names = {"os": os}
        exec(code, names)
        settings.JAY_SESSIONS = names["JAY_SESSIONS"]
        assert not [found for found in checks.run_checks() if found.id.startswith("jay_sessions.")]


def test_the_commands_that_are_shown_are_there(tmp_path, monkeypatch, setting):
    monkeypatch.chdir(tmp_path)
    setting(RETENTION=60, SESSION_LIFETIME=60)
    sessions.start(PLAYOUT, "5f1d39c9a0e9")
    shown = re.findall(r"^python manage\.py (.*)$", TEXT, re.MULTILINE)
    assert [line.split()[0] for line in shown] == ["jay_export_user", "jay_erase_user", "jay_purge_sessions"]
    for line in shown:
        call_command(*line.split(), stdout=io.StringIO(), stderr=io.StringIO())
    assert json.loads((tmp_path / "user.ndjson").read_text())["user_id"] == "5f1d39c9a0e9"
    assert TrackingSession.objects.get().user_id is None
