"""Linked Zephr sessions, fetched from the stand-in into their table."""

import datetime
import io
import re
import threading

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.utils import timezone

from jay_sessions import sessions
from jay_sessions.analytics import enrichment, rollups
from jay_sessions.analytics.enrichment import Outcome
from jay_sessions.exceptions import ZephrUnavailable
from jay_sessions.models import LinkedZephrSession
from jay_sessions.models.rollups import DailyCount, Dimension
from jay_sessions.models.zephr import CLAIM_LASTS
from project.zephr_demo_sessions import DEMO_SESSIONS
from project.zephr_stand_in import ZephrStandIn

from ..conftest import PLAYOUT

pytestmark = pytest.mark.django_db

KNOWN, OTHER, *_ = DEMO_SESSIONS
KEYS = {"ACCESS_KEY": "access", "SECRET_KEY": "secret"}


@pytest.fixture
def zephr(setting):
    """Zephr as the site is configured for it."""
    with ZephrStandIn(*KEYS.values(), {**DEMO_SESSIONS}) as stand_in:
        setting(
            ZEPHR={
                "BASE_URL": stand_in.base_url,
                **KEYS,
                "CACHE_TIMEOUT": 0,
                "NOT_FOUND_CACHE_TIMEOUT": 0,
                "MAX_ATTEMPTS": 1,
                "CIRCUIT_FAILURES": 0,
            }
        )
        yield stand_in


def link(*zephr_session_ids):
    for zephr_session_id in zephr_session_ids:
        sessions.start(PLAYOUT, zephr_session_id=zephr_session_id)


def run(*arguments):
    """Run the command as fast as it can; gives what it prints."""
    out = io.StringIO()
    call_command("jay_enrich_sessions", "--rate=1000", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue().strip()


def status(code):
    """A fault: every request is answered with this status."""

    def answer(handler):
        handler.send_response(code)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def test_what_zephr_says_of_the_session_and_its_device_is_stored(zephr):
    link(KNOWN)
    assert enrichment.enrich(KNOWN) is Outcome.FETCHED
    found = LinkedZephrSession.objects.get()
    row = DEMO_SESSIONS[KNOWN]["sessions"][0]
    assert found.facts() == {
        "state": row["state"],
        "user_state": DEMO_SESSIONS[KNOWN]["access_model"]["user_state"],
        "device": row["device"],
        "browser": row["browser"],
        "os": row["os"],
        "country": row["country"],
    }
    assert found.fetched_at is not None


def test_the_sessions_that_are_linked_to_it_are_counted_by_device_once(zephr, time_machine):
    now = timezone.now()
    for days in (9, 9, 3, 1):
        time_machine.move_to(now - datetime.timedelta(days=days), tick=False)
        link(KNOWN)
    time_machine.move_to(now, tick=False)
    list(rollups.run())
    enrichment.enrich(KNOWN)
    time_machine.move_to(now + datetime.timedelta(hours=1), tick=False)
    for _ in range(2):
        list(rollups.run())
        counted = DailyCount.objects.filter(kind=Dimension.COUNTRY).order_by("day")
        assert [((now.date() - row.day).days, row.sessions) for row in counted] == [(9, 2), (3, 1), (1, 1)]


def test_of_several_devices_it_is_that_of_the_session(zephr):
    rows = [{"session_id": name, "device": name} for name in ("phone", "pc", "tv")]
    zephr.sessions["pc"] = {"sessions": rows}
    zephr.sessions["who knows"] = {"sessions": rows}
    for name in ("pc", "who knows"):
        enrichment.enrich(name)
    found = LinkedZephrSession.objects.in_bulk()
    assert (found["pc"].device, found["who knows"].device) == ("pc", None)


def test_a_session_that_zephr_does_not_know_is_not_asked_for_again(zephr):
    link("unknown")
    assert run() == "1 not known to Zephr."
    assert run() == "Nothing was fetched."
    assert len(zephr.requests) == 1


@pytest.mark.parametrize("value", ["x" * 256, "a\0b", "\ud800", 5, None, ["pc"], ""], ids=ascii)
def test_what_cannot_be_stored_is_left_out(zephr, value):
    zephr.sessions["odd"] = {"sessions": [{"device": value, "country": "DE"}]}
    enrichment.enrich("odd")
    found = LinkedZephrSession.objects.get()
    assert (found.device, found.country) == (None, "DE")


def test_each_session_is_fetched_once_however_many_are_linked_to_it(zephr):
    link(KNOWN, KNOWN, OTHER, KNOWN)
    sessions.start(PLAYOUT)
    assert enrichment.waiting() == 2
    assert run() == "2 fetched."
    assert len(zephr.requests) == 2
    assert enrichment.waiting() == 0


def test_more_than_a_batch_is_fetched(zephr, monkeypatch):
    monkeypatch.setattr(enrichment, "BATCH", 3)
    link(*(f"session-{number}" for number in range(10)))
    assert run() == "10 not known to Zephr."


def test_a_limit_ends_the_run_and_the_next_one_goes_on(zephr):
    link(*DEMO_SESSIONS)
    assert run("--limit=2") == "2 fetched."
    assert run() == f"{len(DEMO_SESSIONS) - 2} fetched."


@pytest.mark.parametrize("code", [401, 403])
def test_a_key_pair_that_is_refused_ends_the_run_at_once(zephr, code):
    link(*DEMO_SESSIONS)
    zephr.fault = status(code)
    with pytest.raises(CommandError, match="key pair"):
        run()
    assert len(zephr.requests) == 1
    assert not LinkedZephrSession.objects.exists()


def test_a_zephr_that_fails_is_tried_again_and_then_given_up(zephr, monkeypatch):
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)
    link(*DEMO_SESSIONS)
    zephr.fault = status(500)
    with pytest.raises(CommandError, match="The next run goes on from here"):
        run()
    assert [round(wait) for wait in waits] == [2, 4, 8, 16]
    assert not LinkedZephrSession.objects.exists()
    zephr.fault = None
    assert run() == f"{len(DEMO_SESSIONS)} fetched."


def test_a_zephr_that_throttles_is_given_the_time_it_asks_for(zephr, monkeypatch):
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)
    link(KNOWN)

    def throttle_once(handler):
        zephr.fault = None
        handler.send_response(429)
        handler.send_header("Retry-After", "7")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    zephr.fault = throttle_once
    assert run() == "1 fetched."
    assert waits[0] == 7


def test_an_answer_that_is_of_no_use_is_left_for_another_time(zephr):
    link(KNOWN, OTHER)

    def answer_html_once(handler):
        zephr.fault = None
        handler.send_response(200)
        handler.send_header("Content-Length", "6")
        handler.end_headers()
        handler.wfile.write(b"<html>")

    zephr.fault = answer_html_once
    assert run() == "1 fetched, 1 left for a later run."
    assert run() == "1 fetched."


def test_what_somebody_else_has_claimed_is_theirs_until_the_claim_is_old(zephr):
    now = timezone.now()
    assert LinkedZephrSession.objects.claim(KNOWN, now)
    assert enrichment.enrich(KNOWN) is Outcome.ELSEWHERE
    assert not LinkedZephrSession.objects.claim(KNOWN, now + CLAIM_LASTS - datetime.timedelta(seconds=1))
    link(KNOWN)
    assert enrichment.waiting() == 0
    LinkedZephrSession.objects.update(claimed_at=now - CLAIM_LASTS)
    assert run() == "1 fetched."


def test_what_was_fetched_is_nobodys_to_claim():
    LinkedZephrSession.objects.create(
        pk=KNOWN, claimed_at=timezone.now() - CLAIM_LASTS, fetched_at=timezone.now()
    )
    assert not LinkedZephrSession.objects.claim(KNOWN, timezone.now())


def test_a_run_that_is_cut_off_leaves_nothing_claimed(zephr, monkeypatch):
    def stop(session_id):
        raise KeyboardInterrupt

    monkeypatch.setattr("jay_sessions.zephr.gateway.get_session", stop)
    link(KNOWN)
    with pytest.raises(CommandError, match="Stopped"):
        run()
    assert not LinkedZephrSession.objects.exists()


def test_a_failure_is_raised_to_the_sites_own_code(zephr):
    zephr.fault = status(500)
    with pytest.raises(ZephrUnavailable):
        enrichment.enrich(KNOWN)


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_the_same_time_share_the_work(zephr):
    if connection.vendor == "sqlite":
        pytest.skip("An SQLite in memory is not shared with another connection.")
    names = [f"session-{number}" for number in range(60)]
    zephr.sessions.update({name: {} for name in names})
    link(*names)
    said = []

    def work():
        try:
            said.append(run())
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 2
    assert len({request.path for request in zephr.requests}) == len(zephr.requests) == 60
    fetched = [
        int(count) for text in said for count in re.findall(r"(\d+) (?:fetched\b(?! by)|not known)", text)
    ]
    assert sum(fetched) == 60


def test_the_rate_is_kept(zephr, monkeypatch):
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)
    link(*DEMO_SESSIONS)
    call_command("jay_enrich_sessions", "--rate=4", stdout=io.StringIO(), stderr=io.StringIO())
    assert len(waits) == len(DEMO_SESSIONS)
    assert all(0.1 < wait <= 0.25 for wait in waits)


@pytest.mark.parametrize(
    "option",
    [
        *(f"--rate={rate}" for rate in ("0", "x", "nan", "1000.1")),
        *(f"--limit={limit}" for limit in ("0", "1.5")),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(zephr, option):
    with pytest.raises(CommandError, match=f"argument {option.partition('=')[0]}: must be a"):
        call_command("jay_enrich_sessions", option)


def test_without_zephr_there_is_nothing_to_fetch_from(setting):
    setting(ZEPHR={})
    with pytest.raises(CommandError, match="not configured"):
        run()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_there_is_a_bar(zephr):
    link(*DEMO_SESSIONS)
    out = Terminal()
    call_command("jay_enrich_sessions", rate=1000, stdout=io.StringIO(), stderr=out)
    count = len(DEMO_SESSIONS)
    assert out.getvalue().endswith(f"\r{'█' * 30} 100% {count} of {count}\n")


@pytest.mark.django_db
def test_a_claim_that_a_clock_far_ahead_has_left_holds_nobody_up():
    now = timezone.now()
    LinkedZephrSession.objects.create(pk=KNOWN, claimed_at=now + datetime.timedelta(days=10))
    assert LinkedZephrSession.objects.claim(KNOWN, now)
    # Of two at the same time, one may have read the time a little later.
    assert not LinkedZephrSession.objects.claim(KNOWN, now - datetime.timedelta(seconds=1))
