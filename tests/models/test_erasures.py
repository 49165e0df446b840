"""Users who were erased stay erased, whatever comes back by a file or a backup."""

import datetime
import io
import json

import pytest
from django.core.management import CommandError, call_command

from jay_sessions import retention
from jay_sessions.core import user_ids
from jay_sessions.models import ErasedUser, LinkedZephrSession, TrackingSession

from ..analytics.test_imports import as_ndjson, brought, line
from ..analytics.test_rollups import DAY, HOUR, NOON, store
from ..conftest import sql_refused

pytestmark = pytest.mark.django_db(transaction=True)

NEW, OLD = "the secret of this year, 32 characters", "the secret of last year, 32 characters"
HASHED, WITH_OLD_KEY = (user_ids.hashed("ada", user_ids.hashing_key(secret)) for secret in (NEW, OLD))
PLAIN = {"USER_ID_STORAGE": "plain", "USER_ID_KEYS": [NEW]}
BEFORE = {"USER_ID_STORAGE": "hashed", "USER_ID_KEYS": [OLD]}
AFTER = {"USER_ID_STORAGE": "hashed", "USER_ID_KEYS": [NEW, OLD]}
DROPPED = {"USER_ID_STORAGE": "hashed", "USER_ID_KEYS": [NEW]}


@pytest.fixture(autouse=True)
def now(time_machine):
    def move(moment=NOON):
        time_machine.move_to(moment, tick=False)

    move()
    return move


def erase(*arguments):
    out = io.StringIO()
    call_command("jay_erase_user", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def users():
    return list(TrackingSession.objects.order_by("session_id").values_list("user_id", flat=True))


def test_an_imported_session_from_before_the_erasure_is_nobodys_and_a_later_one_is_the_users(tmp_path, now):
    erase("ada")
    now(NOON + 2 * DAY)
    lines = [
        line(NOON - DAY, user_id="ada", zephr_session_id="phone"),
        line(NOON - DAY + HOUR, user_id="bob", zephr_session_id="tv"),
        line(NOON + DAY, user_id="ada"),
    ]
    said = brought(as_ndjson(tmp_path / "a", lines))
    assert said.startswith("Sessions: 3 imported, 0 already there, 1 without their user, who was erased.")
    found = TrackingSession.objects.order_by("session_id").values_list("user_id", "zephr_session_id")
    assert list(found) == [(None, None), ("bob", "tv"), ("ada", None)]


@pytest.mark.parametrize(
    ("erased", "imported", "is_known"),
    [
        ((PLAIN, "ada"), (PLAIN, "ada"), True),
        ((PLAIN, " ada "), (PLAIN, "ada"), True),
        ((PLAIN, "ada"), (PLAIN, "Ada"), False),
        ((PLAIN, "ada"), (DROPPED, HASHED), True),
        ((PLAIN, "ada"), ({"USER_ID_STORAGE": "hashed", "USER_ID_KEYS": [NEW, OLD]}, "ada"), True),
        ((BEFORE, "ada"), (BEFORE, "ada"), True),
        ((BEFORE, "ada"), (BEFORE, WITH_OLD_KEY), True),
        ((BEFORE, WITH_OLD_KEY), (BEFORE, "ada"), True),
        ((BEFORE, "ada"), (AFTER, "ada"), True),
        ((BEFORE, "ada"), (AFTER, WITH_OLD_KEY), True),
        ((BEFORE, "ada"), (AFTER, HASHED), False),  # nobody can tell a hash from the other
        ((AFTER, "ada"), (AFTER, HASHED), True),
        ((AFTER, "ada"), (AFTER, WITH_OLD_KEY), True),
        ((BEFORE, "ada"), (DROPPED, "ada"), False),
        ((BEFORE, "ada"), ({**PLAIN, "USER_ID_KEYS": [NEW, OLD]}, "ada"), True),
    ],
)
def test_an_erased_user_is_known_again_in_each_form_as_long_as_the_key_is_there(
    erased, imported, is_known, tmp_path, setting
):
    setting(**erased[0])
    erase(erased[1])
    setting(**imported[0])
    brought(as_ndjson(tmp_path / "a", [line(NOON - DAY, user_id=imported[1])]))
    assert (users() == [None]) is is_known


def test_without_keys_of_its_own_the_notes_follow_secret_key(tmp_path, settings):
    settings.SECRET_KEY = OLD
    erase("ada")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]
    brought(as_ndjson(tmp_path / "a", [line(NOON - DAY, user_id="ada")]))
    assert users() == [None]


def test_a_note_says_neither_who_it_is_nor_what_a_session_has(setting):
    setting(**BEFORE)
    erase("ada")
    stored = str(list(ErasedUser.objects.values()))
    assert ErasedUser.objects.count() == 2
    assert all(text not in stored for text in ("ada", WITH_OLD_KEY, WITH_OLD_KEY.removeprefix("hashed:")))


def test_erasing_again_moves_the_note_on(now):
    erase("ada")
    now(NOON + DAY)
    erase("ada")
    assert set(ErasedUser.objects.values_list("erased_at", flat=True)) == {NOON + DAY}


def test_the_note_is_there_with_the_first_batch_or_neither_is(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 1)
    store(NOON - DAY)
    store(NOON - DAY + HOUR)
    with sql_refused("UPDATE"), pytest.raises(CommandError):
        erase("ada")
    assert not ErasedUser.objects.exists()
    batches = retention.erase_user("ada")
    next(batches)
    assert ErasedUser.objects.exists()
    assert users() == [None, "ada"] or users() == ["ada", None]


def test_what_a_restored_backup_brings_back_is_erased_again(monkeypatch, now, tmp_path):
    monkeypatch.setattr(retention, "BATCH", 2)
    erase("ada")
    now(NOON + DAY)
    erase("bob")
    notes = tmp_path / "erased.json"
    call_command("dumpdata", "jay_sessions.ErasedUser", output=str(notes), verbosity=0)
    assert json.loads(notes.read_text())
    # The backup of before, and what came since.
    ErasedUser.objects.all().delete()
    now(NOON + 2 * DAY)
    for hours in (-30, -20, 30):
        for user in ("ada", "bob", "carol", None):
            store(NOON + hours * HOUR, user=user)
    TrackingSession.objects.filter(user_id="ada").update(zephr_session_id="phone")
    LinkedZephrSession.objects.create(pk="phone", claimed_at=NOON)
    store(NOON + 12 * HOUR, user="bob")
    assert erase("--noted") == "0 sessions erased.\n"
    call_command("loaddata", str(notes), verbosity=0)
    assert erase("--noted") == "5 sessions erased.\n"
    left = sorted(user for user in users() if user)
    assert left == ["ada", "bob", "carol", "carol", "carol"]
    assert TrackingSession.objects.get(user_id="ada").zephr_session_id == "phone"
    assert TrackingSession.objects.filter(zephr_session_id="phone").count() == 1
    assert erase("--noted") == "0 sessions erased.\n"


@pytest.mark.parametrize("arguments", [[], ["ada", "--noted"]])
def test_one_user_is_named_or_those_who_are_noted(arguments):
    with pytest.raises(CommandError, match="Give a user id or --noted"):
        erase(*arguments)


def test_times_are_those_of_sessions_that_started_before(now, tmp_path):
    erase("ada")
    now(NOON + DAY)
    lines = [line(NOON - datetime.timedelta.resolution, user_id="ada"), line(NOON, user_id="ada")]
    brought(as_ndjson(tmp_path / "a", lines))
    assert users() == [None, "ada"]
