import datetime
import io

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client

from jay_sessions.core import key_text
from jay_sessions.models import ApiKey

from ..conftest import PATH, key_of

pytestmark = pytest.mark.django_db

NOON = datetime.datetime(2025, 9, 2, 12, tzinfo=datetime.UTC)


def run(*arguments: str) -> str:
    """What a command prints; nothing may go to standard error."""
    out, err = io.StringIO(), io.StringIO()
    call_command(*arguments, stdout=out, stderr=err, no_color=True)
    assert err.getvalue() == ""
    return out.getvalue()


def test_creating_a_key_prints_it_alone():
    printed = run("jay_create_api_key", "partner")
    assert printed.endswith("\n")
    text = printed[:-1]
    assert key_text.has_form(text)
    key = ApiKey.objects.get()
    assert key_of(text) == key
    assert (key.name, key.scopes, key.playouts, key.expires_at) == ("partner", ["tracking"], ["*"], None)


def test_a_created_key_works():
    text = run("jay_create_api_key", "partner").strip()
    assert Client(headers={"X-API-Key": text}).post(PATH).status_code == 200


def test_a_key_is_created_with_its_options():
    with time_machine.travel(NOON, tick=False):
        run(
            *("jay_create_api_key", "partner", "--scope", "zephr", "--scope=analytics"),
            *("--playout", "netflix-*", "--playout=zdf", "--expires-at", "2027-01-31T00:00:00+01:00"),
        )
    key = ApiKey.objects.get()
    assert key.scopes == ["zephr", "analytics"]
    assert key.playouts == ["netflix-*", "zdf"]
    assert key.expires_at == datetime.datetime(2027, 1, 30, 23, tzinfo=datetime.UTC)


def test_a_scope_named_twice_counts_once():
    run("jay_create_api_key", "partner", "--scope=zephr", "--scope=zephr")
    assert ApiKey.objects.get().scopes == ["zephr"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2027-01-31T00:00:00Z", datetime.datetime(2027, 1, 31, tzinfo=datetime.UTC)),
        ("2027-01-31T05:45:00", datetime.datetime(2027, 1, 31, tzinfo=datetime.UTC)),
        ("2027-01-31", datetime.datetime(2027, 1, 30, 18, 15, tzinfo=datetime.UTC)),
    ],
)
def test_an_expiry_without_offset_is_in_the_sites_time_zone(settings, text, moment):
    settings.TIME_ZONE = "Asia/Kathmandu"
    with time_machine.travel(NOON, tick=False):
        run("jay_create_api_key", "partner", "--expires-at", text)
    assert ApiKey.objects.get().expires_at == moment


def test_two_keys_may_have_the_same_name():
    assert run("jay_create_api_key", "partner") != run("jay_create_api_key", "partner")
    assert ApiKey.objects.filter(name="partner").count() == 2


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        pytest.param([], "NAME", id="no_name"),
        pytest.param([""], "name", id="empty_name"),
        pytest.param(["  "], "name", id="blank_name"),
        pytest.param(["a" * 101], "name", id="long_name"),
        pytest.param(["partner", "--scope", "trackin"], "trackin", id="unknown_scope"),
        pytest.param(["partner", "--scope", ""], "scope", id="empty_scope"),
        pytest.param(["partner", "--playout", ""], "playouts", id="empty_pattern"),
        pytest.param(["partner", "--playout", "a" * 256], "playouts", id="long_pattern"),
        pytest.param(["partner", *["--playout=*"] * 101], "playouts", id="101_patterns"),
        pytest.param(["partner", "--expires-at", "tomorrow"], "tomorrow", id="expiry_as_word"),
        pytest.param(["partner", "--expires-at", "2027-02-30"], "2027-02-30", id="no_such_day"),
        pytest.param(["partner", "--expires-at", ""], "expires-at", id="empty_expiry"),
        pytest.param(["partner", "--expires-at", "2025-09-02T11:59:59Z"], "past", id="past"),
        pytest.param(["partner", "--expires-at", "2025-09-02T12:00:00Z"], "past", id="now"),
        pytest.param(["partner", "--expires-at", "9999-12-31T23:59:59Z"], "year 9999", id="last_days"),
        pytest.param(
            ["partner", "--expires-at", "0001-01-01T00:00:00+14:00"], "out of range", id="before_time"
        ),
        pytest.param(
            ["partner", "--expires-at", "9999-12-31T23:59:59-14:00"], "out of range", id="after_time"
        ),
    ],
)
def test_a_key_that_cannot_be_is_refused_with_the_reason(arguments, word):
    with time_machine.travel(NOON, tick=False), pytest.raises(CommandError) as caught:
        run("jay_create_api_key", *arguments)
    assert word in str(caught.value)
    assert not ApiKey.objects.exists()


def test_revoking_by_name_revokes_every_key_of_that_name_and_no_other():
    for name in ("partner", "partner", "Partner", "partner 2"):
        ApiKey.objects.issue(name)
    assert run("jay_revoke_api_key", "partner").startswith("2 ")
    assert {key.name for key in ApiKey.objects.filter(revoked_at=None)} == {"Partner", "partner 2"}


def test_a_revoked_key_works_no_more():
    text = run("jay_create_api_key", "partner").strip()
    run("jay_revoke_api_key", "partner")
    assert Client(headers={"X-API-Key": text}).post(PATH).status_code == 401


def test_revoking_twice_revokes_nothing_more():
    ApiKey.objects.issue("partner")
    run("jay_revoke_api_key", "partner")
    moment = ApiKey.objects.get().revoked_at
    assert run("jay_revoke_api_key", "partner").startswith("0 ")
    assert ApiKey.objects.get().revoked_at == moment


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(["nobody"], "nobody"), ([""], '""'), ([], "NAME")],
    ids=["unknown", "empty", "none"],
)
def test_revoking_what_there_is_not_is_an_error(arguments, word):
    ApiKey.objects.issue("partner")
    with pytest.raises(CommandError) as caught:
        run("jay_revoke_api_key", *arguments)
    assert word in str(caught.value)
    assert ApiKey.objects.get().revoked_at is None
