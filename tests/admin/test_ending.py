"""Sessions that an operator ends in the admin."""

import re
import uuid

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User

from jay_sessions.admin.changelist import ending
from jay_sessions.models import EndedSession, Reason, TrackingSession

from ..conftest import operator
from ..support.ends import is_valid, start

pytestmark = pytest.mark.django_db

LIST = "/admin/jay_sessions/trackingsession/"


def form_of(page):
    """The hidden fields of the page's own form."""
    pairs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.content.decode())
    form = {}
    for name, value in pairs:
        if name != "csrfmiddlewaretoken":
            form.setdefault(name, []).append(value)
    return form


def text_of(page):
    return page.content.decode()


def chosen(client, *ids, query="", across="0"):
    form = {"action": "end_selected", "_selected_action": [str(pk) for pk in ids], "select_across": across}
    return client.post(LIST + query, form)


def test_the_ticked_sessions_end_after_a_question(admin_client):
    (first, token), (second, other), (_, left) = start(), start(), start()
    asked = chosen(admin_client, first, second)
    assert "End the 2 selected sessions?" in text_of(asked)
    assert not EndedSession.objects.exists()
    done = admin_client.post(LIST, form_of(asked), follow=True)
    assert "2 sessions were ended." in text_of(done)
    assert [is_valid(one) for one in (token, other, left)] == [False, False, True]
    assert set(EndedSession.objects.values_list("reason", flat=True)) == {Reason.OPERATOR}
    line = LogEntry.objects.get()
    assert line.object_repr == "2 tracking sessions"
    assert str(first)[-8:] in line.change_message
    assert str(first) not in line.change_message


def test_all_that_match_end_but_not_what_begins_after_the_question(admin_client, monkeypatch):
    (netflix, token), (_, other) = start("netflix-de:1"), start("zdf:1")
    query = "?provider_name=netflix"
    asked = chosen(admin_client, netflix, query=query, across="1")
    assert "End all active sessions that match" in text_of(asked)
    _, later = start("netflix-de:1")
    done = admin_client.post(LIST + query, form_of(asked), follow=True)
    assert "1 session was ended." in text_of(done)
    assert [is_valid(one) for one in (token, other, later)] == [False, True, True]
    assert LogEntry.objects.get().change_message == "Ended all that matched: provider_name=netflix."


@pytest.mark.parametrize("query", ["", "?provider_name=netflix"])
def test_a_button_below_the_list_ends_all_that_match_on_all_pages(admin_client, query):
    tokens = [start("netflix-de:1")[1] for _ in range(51)]
    _, other = start("zdf:1")
    text = text_of(admin_client.get(LIST + query))
    assert 'form="jay-end-all" value="End all active sessions that match"' in text
    form = r'<form id="jay-end-all" method="post" action="(.*?)">(.*?)</form>'
    [(action, inside)] = re.findall(form, text, re.DOTALL)
    asked = admin_client.post(LIST + action, dict(re.findall(r'name="(\w+)" value="(\w+)"', inside)))
    assert "End all active sessions that match" in text_of(asked)
    assert is_valid(other)
    admin_client.post(LIST + action, form_of(asked))
    assert not any(map(is_valid, tokens))
    assert is_valid(other) is bool(query)


def test_without_other_pages_or_the_permission_there_is_no_such_button(admin_client):
    start()
    assert "jay-end-all" not in text_of(admin_client.get(LIST))
    for _ in range(50):
        start()
    assert "jay-end-all" in text_of(admin_client.get(LIST))
    assert "jay-end-all" not in text_of(operator("view_trackingsession").get(LIST))


def test_one_request_ends_a_bounded_number(admin_client, monkeypatch):
    monkeypatch.setattr(ending, "MAX_ENDED", 4)
    monkeypatch.setattr("jay_sessions.ending._BATCH", 2)
    ids = [start()[0] for _ in range(6)]
    asked = chosen(admin_client, *ids, across="1")
    done = admin_client.post(LIST, form_of(asked), follow=True)
    assert "4 sessions were ended. There may be more that match: end them again." in text_of(done)
    assert EndedSession.objects.count() == 4


def end_on(page):
    """What a session's page says of its end."""
    [said] = re.findall(r'field-ended.*?class="readonly">(.*?)</div>', text_of(page), re.DOTALL)
    return said


def test_a_sessions_page_ends_it_and_then_shows_how_it_ended(admin_client):
    pk, token = start()
    page, address = f"{LIST}{pk}/change/", f"{LIST}{pk}/end/"
    assert address in text_of(admin_client.get(page))
    assert end_on(admin_client.get(page)) == "-"
    asked = admin_client.get(address)
    assert "End the session" in text_of(asked)
    assert is_valid(token)
    done = admin_client.post(address, form_of(asked), follow=True)
    assert "The session was ended." in text_of(done)
    assert "ended by an operator" in text_of(done)
    assert re.fullmatch(r"[A-Z][a-z]+\.? \d+, \d{4}, (\S+ [ap]\.m\.|noon|midnight)", end_on(done))
    assert address not in text_of(done)
    assert not is_valid(token)
    assert "had ended or expired before" in text_of(admin_client.post(address, {"post": "yes"}, follow=True))
    assert LogEntry.objects.count() == 1


def test_only_who_may_end_sessions_is_offered_it(issue_key):
    pk, token = start()
    viewer = operator("view_trackingsession")
    assert "end_selected" not in text_of(viewer.get(LIST))
    assert "/end/" not in text_of(viewer.get(f"{LIST}{pk}/change/"))
    assert viewer.post(f"{LIST}{pk}/end/", {"post": "yes"}).status_code == 403
    chosen(viewer, pk)
    assert is_valid(token)
    User.objects.all().delete()
    ender = operator("view_trackingsession", "end_trackingsession")
    assert "end_selected" in text_of(ender.get(LIST))
    assert ender.post(f"{LIST}{pk}/end/", {"post": "yes"}).status_code == 302
    assert not is_valid(token)


def test_a_session_that_is_not_there_cannot_be_ended_from_its_page(admin_client):
    for name in (uuid.uuid4(), "nonsense"):
        page = admin_client.post(f"{LIST}{name}/end/", {"post": "yes"}, follow=True)
        assert "doesn’t exist" in text_of(page)  # noqa: RUF001
    assert not EndedSession.objects.exists()


def test_the_questions_before_a_deletion_say_that_it_ends_the_session(admin_client):
    pk, token = start()
    said = "A deleted session is ended, too"
    assert said in text_of(admin_client.get(f"{LIST}{pk}/delete/"))
    form = {"action": "delete_selected", "_selected_action": [str(pk)]}
    assert said in text_of(admin_client.post(LIST, form))
    assert said in text_of(admin_client.post(LIST, {**form, "select_across": "1"}))
    admin_client.post(f"{LIST}{pk}/delete/", {"post": "yes"})
    assert not TrackingSession.objects.exists()
    assert not is_valid(token)


def test_a_deletion_leads_back_to_the_list_with_its_filters(admin_client):
    pk, _ = start()
    filters = "?_changelist_filters=provider_name%3Dnetflix"
    answer = admin_client.post(f"{LIST}{pk}/delete/{filters}", {"post": "yes"})
    assert answer.url == f"{LIST}?provider_name=netflix"
    User.objects.all().delete()
    pk, _ = start()
    assert operator("delete_trackingsession").post(f"{LIST}{pk}/delete/", {"post": "yes"}).url == "/admin/"
