import email.utils
import io
import logging
import re
import time

import pytest
from django.core.management import CommandError, call_command

from project.zephr_demo_sessions import DEMO_SESSIONS
from project.zephr_stand_in import ZephrStandIn

from ..support.zephr_faults import ALWAYS, FAULTS, UPSTREAM_WORDS
from ..support.zephr_wire import (
    ACCESS_KEY,
    SECRET_KEY,
    answer,
    credentials_of,
    everything_said,
    one_after_the_other,
    sending,
)

pytest_plugins = ["tests.support.zephr_fixtures"]

PAIR = {"ACCESS_KEY": ACCESS_KEY, "SECRET_KEY": SECRET_KEY}
RANDOM_PATH = re.compile(r"/v3/sessions/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

NOT_ZEPHR = "not Zephr's Admin API: check TENANT or BASE_URL"
KEYS = "Check ACCESS_KEY and SECRET_KEY"
LATER = "try again later"
SLOW = "raise TIMEOUT"
THROTTLED = "Wait, then try again."

WHAT_TO_DO = {
    "connection refused": "Nothing listens there",
    "unknown name": "name servers (DNS)",
    "name server away": "name servers (DNS)",
    "self-signed certificate": "certificate is not trusted",
    "TLS to a plain port": "that it serves https",
    "no answer": SLOW,
    "endless status line": SLOW,
    "endless headers": SLOW,
    "endless body": SLOW,
    "closed without an answer": LATER,
    "reset in the body": LATER,
    "Content-Length too long": LATER,
    "Content-Length too short": NOT_ZEPHR,
    "negative Content-Length": NOT_ZEPHR,
    "Content-Length that is no number": NOT_ZEPHR,
    "gzip bomb of 100 MB": NOT_ZEPHR,
    "body of 100 MB": NOT_ZEPHR,
    "HTML": NOT_ZEPHR,
    "JSON array": NOT_ZEPHR,
    "invalid UTF-8": NOT_ZEPHR,
    "NaN": NOT_ZEPHR,
    "200 without a body": NOT_ZEPHR,
    "204": NOT_ZEPHR,
    "301 to another host": NOT_ZEPHR,
    "301 to a file": NOT_ZEPHR,
    "401": KEYS,
    "403": KEYS,
    "404": NOT_ZEPHR,
    "429": THROTTLED,
    "429, Retry-After: 1": "Zephr asks to wait 1 s.",
    "429, Retry-After: 60": "Zephr asks to wait 60 s.",
    "500": LATER,
    "501": LATER,
    "502": LATER,
    "503": LATER,
    "503, Retry-After: 1": LATER,
    "503, Retry-After: 60": LATER,
    "504": LATER,
}


def ping(*arguments, **options):
    """What the command prints, on standard output and on standard error."""
    out, err = io.StringIO(), io.StringIO()
    call_command("jay_ping_zephr", *arguments, stdout=out, stderr=err, no_color=True, **options)
    return out.getvalue(), err.getvalue()


def failure(*arguments, **options):
    """What is printed before it fails, and the message that it fails with."""
    out = io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("jay_ping_zephr", *arguments, stdout=out, stderr=io.StringIO(), **options)
    assert caught.value.returncode == 1
    return out.getvalue(), str(caught.value)


@pytest.fixture
def configured(zephr, setting):
    setting(ZEPHR={"BASE_URL": zephr.base_url, **PAIR})
    return zephr


def test_what_is_right_is_said_line_by_line(configured):
    out, err = ping()
    reachable, clock, pair = out.splitlines()
    assert reachable.startswith(f"Reachable: {configured.base_url} answered in ")
    assert reachable.endswith(" ms")
    assert clock == "Clock: right, to the second"
    assert pair == "Key pair: accepted"
    assert err == ""


def test_zephr_is_asked_for_sessions_that_cannot_exist_by_the_pair_and_by_one_that_is_made_up(configured):
    ping()
    ping()
    paths = {seen.path for seen in configured.requests}
    assert len(paths) == 4
    assert all(RANDOM_PATH.fullmatch(path) for path in paths)
    pairs = [access_key for access_key, *_ in credentials_of(configured)]
    assert [access_key == ACCESS_KEY for access_key in pairs] == [True, False] * 2
    assert len(set(pairs)) == 3


def test_neither_the_cache_nor_the_circuit_is_asked(configured, setting):
    setting(ZEPHR={"BASE_URL": configured.base_url, "CIRCUIT_FAILURES": 1, "CIRCUIT_TIMEOUT": 600, **PAIR})
    configured.fault = sending(answer(b"", "500 Internal Server Error"))
    failure()
    failure()
    assert len(configured.requests) == 2
    configured.fault = None
    assert "Key pair: accepted" in ping()[0]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_what_to_do(name, zephr, setting, caplog):
    caplog.set_level(logging.DEBUG)
    fault = FAULTS[name]
    with fault.happening(zephr, ALWAYS) as base_url:
        setting(ZEPHR={"BASE_URL": base_url, "TIMEOUT": fault.timeout, **PAIR})
        out, message = failure()
    assert WHAT_TO_DO[name] in message
    said = out + message + caplog.text
    signatures = [signature for *_, signature in credentials_of(zephr)]
    assert not [secret for secret in (SECRET_KEY, UPSTREAM_WORDS, *signatures) if secret in said]
    assert "Key pair: accepted" not in out


def test_every_fault_is_in_the_table():
    assert set(WHAT_TO_DO) == set(FAULTS)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (FAULTS["connection refused"], "broke off: Connection refused. Nothing listens"),
        (FAULTS["unknown name"], "broke off: The words of the resolver. Check"),
        (FAULTS["self-signed certificate"], "broke off: self-signed certificate. Its certificate"),
    ],
)
def test_the_words_of_the_system_stand_beside_ours(cause, words, zephr, setting):
    with cause.happening(zephr, ALWAYS) as base_url:
        setting(ZEPHR={"BASE_URL": base_url, **PAIR})
        assert words in failure()[1]


def test_a_wrong_key_pair_is_told_from_a_wrong_clock(zephr, setting):
    setting(ZEPHR={"BASE_URL": zephr.base_url, "ACCESS_KEY": ACCESS_KEY, "SECRET_KEY": "another-one"})
    out, message = failure()
    assert "Reachable" in out
    assert "Clock: right" in out
    assert message.startswith("Zephr refuses the key pair (401). Check ACCESS_KEY and SECRET_KEY")
    assert "another-one" not in out + message


def test_a_refusal_without_a_date_leaves_the_clock_to_the_operator(configured):
    configured.fault = sending(answer(b"", "401 Unauthorized"))
    out, message = failure()
    assert "Clock: not compared" in out
    assert KEYS in message


@pytest.mark.parametrize(("ahead", "words"), [(3600, "seconds behind"), (-3600, "seconds ahead of")])
def test_a_clock_that_is_refused_is_to_be_set(setting, ahead, words):
    with ZephrStandIn(ACCESS_KEY, SECRET_KEY, clock=lambda: time.time() + ahead) as zephr:
        setting(ZEPHR={"BASE_URL": zephr.base_url, **PAIR})
        out, message = failure()
    assert "Clock" not in out
    assert words in message
    assert "NTP" in message
    assert "SECRET_KEY" not in message


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (-12, "Clock: 1[123] s ahead of Zephr's$"),
        (12, "Clock: 1[123] s behind Zephr's$"),
        (-100, r"s ahead of Zephr's; set it \(NTP\) before"),
        (100, r"s behind Zephr's; set it \(NTP\) before"),
    ],
)
def test_a_clock_that_is_off_but_accepted_is_told_in_seconds(setting, ahead, words):
    with ZephrStandIn(ACCESS_KEY, SECRET_KEY, clock=lambda: time.time() + ahead) as zephr:
        setting(ZEPHR={"BASE_URL": zephr.base_url, **PAIR})
        out, _ = ping()
    assert re.search(words, out, re.MULTILINE)
    assert "Key pair: accepted" in out


def test_a_server_that_does_not_look_at_signatures_is_not_zephr(configured):
    configured.fault = sending(answer(b"{}", "404 Not Found", Date=email.utils.formatdate(usegmt=True)))
    out, message = failure()
    assert "Key pair" not in out
    assert message.startswith("Zephr's answer to an invented key pair is the same as to ours.")
    assert NOT_ZEPHR in message


@pytest.mark.parametrize("before", [[], [sending(answer(b"", "404 Not Found"))]])
def test_a_server_that_has_every_session_is_not_zephr(configured, before):
    one_after_the_other(configured, *before, *[sending(answer(b"{}"))] * 2)
    assert NOT_ZEPHR in failure()[1]


def test_a_second_call_that_fails_says_nothing_of_the_key_pair(configured):
    one_after_the_other(configured, sending(answer(b"", "404 Not Found")), sending(answer(b"", "502 B")))
    out, message = failure()
    assert "Key pair" not in out
    assert message.startswith("Zephr answered with the status 502.")


def test_without_the_setting_it_says_what_to_set(setting):
    setting(ZEPHR={})
    assert failure() == (
        "",
        "Zephr is not configured. Set JAY_SESSIONS['ZEPHR'] to a dict with TENANT (or BASE_URL), ACCESS_KEY "
        "and SECRET_KEY.",
    )


@pytest.mark.django_db
def test_a_setting_that_is_wrong_is_named_by_its_check(setting):
    setting(ZEPHR={"BASE_URL": "acme.api.zephr.com", **PAIR})
    out, message = failure(skip_checks=False)
    assert "jay_sessions.E012" in message
    assert SECRET_KEY not in out + message


@pytest.mark.parametrize("host", ["zephr.invalid", "0.0.0.0", "10.0.0.1"])
def test_plain_http_to_another_machine_is_warned_of(zephr, setting, host):
    err = io.StringIO()
    setting(ZEPHR={"BASE_URL": f"http://{host}:1", "TIMEOUT": 0.1, **PAIR})
    with pytest.raises(CommandError):
        call_command("jay_ping_zephr", stderr=err, no_color=True)
    assert err.getvalue().startswith("Warning: BASE_URL is http,")


def test_plain_http_to_this_machine_is_not_warned_of(configured, setting):
    assert ping()[1] == ""
    setting(ZEPHR={"BASE_URL": configured.base_url.replace("127.0.0.1", "localhost"), **PAIR})
    assert ping()[1] == ""


@pytest.mark.parametrize("session_id", DEMO_SESSIONS)
def test_a_session_that_is_there_is_told_without_what_is_personal(configured, session_id):
    session = DEMO_SESSIONS[session_id]
    out, _ = ping("--session", session_id)
    line = out.splitlines()[-1]
    count = len(session["sessions"])
    state = session["access_model"]["user_state"]
    assert line == f"Session: found; user state '{state}', {count} device{'s' * (count != 1)}"


@pytest.mark.parametrize(
    ("session", "words"),
    [
        ({}, "user state unknown, 0 devices"),
        ({"access_model": {"user_state": "\x1b[31m"}, "sessions": [{}]}, r"user state '\x1b[31m', 1 device"),
    ],
)
def test_what_zephr_says_of_a_session_cannot_reach_the_terminal(configured, session, words):
    configured.sessions = {"one": session}
    assert ping("--session=one")[0].endswith(f"Session: found; {words}\n")


@pytest.mark.parametrize(
    ("session_id", "words"),
    [
        ("unknown", "Zephr does not know this session."),
        ("..", "--session: "),
        ("", "--session: "),
    ],
)
def test_a_session_that_is_not_there_is_an_error(configured, session_id, words):
    out, message = failure("--session", session_id)
    assert "Key pair: accepted" in out
    assert message.startswith(words)


def test_a_failure_brings_no_secret_along(configured, caplog):
    configured.fault = sending(answer(b"", "401 Unauthorized"))
    with pytest.raises(CommandError) as caught:
        ping()
    assert SECRET_KEY not in everything_said(caught.value, caplog)
