"""The session list where there are many sessions: pages, counts, searches and deletions that stay bounded."""

import datetime
import html
import re
import uuid

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jay_sessions.admin.changelist import deletion, paging
from jay_sessions.analytics import rollups
from jay_sessions.core.uuid7 import uuid7
from jay_sessions.models import TrackingSession

from ..conftest import operator
from ..support.ends import end
from .test_sessions import LIST, listed

pytestmark = pytest.mark.django_db

NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


def row(number, **fields):
    started = NOON + number * datetime.timedelta(minutes=1)
    fields = {"playout_id": f"netflix:{number}", "source": "here", **fields}
    return TrackingSession(session_id=uuid7(started, number), started_at=started, **fields)


def fill(count, first=0, ended_at=None, **fields):
    rows = [row(number, **fields) for number in range(first, first + count)]
    TrackingSession.objects.bulk_create(rows)
    end(ended_at, *rows)
    return rows


def ids(rows):
    return [found.session_id for found in rows]


class Reader:
    """Somebody who reads the list and follows its links."""

    def __init__(self, client, query=""):
        self.client = client
        self.go(query)

    def go(self, query):
        response = self.client.get(LIST + query)
        assert response.status_code == 200, query
        self.text = response.content.decode()
        self.list = response.context["cl"]

    @property
    def ids(self):
        return ids(self.list.result_list)

    @property
    def links(self):
        found = re.findall(r'<a role="button" href="([^"]*)">(\w+)</a>', self.text)
        return {name: html.unescape(query) for query, name in found}

    def follow(self, name):
        self.go(self.links[name])


@pytest.fixture
def small(monkeypatch):
    """Count no more than 20, look through no more than 30."""
    monkeypatch.setattr(paging, "MAX_COUNTED", 20)
    monkeypatch.setattr("jay_sessions.admin.changelist.session_list.MAX_COUNTED", 20)
    monkeypatch.setattr(paging, "STRETCH", 30)


def test_pages_lead_to_the_oldest_session_and_back_with_each_session_once(admin_client):
    rows = fill(125)[::-1]
    reader = Reader(admin_client)
    assert set(reader.links) == {"Older", "Oldest"}
    seen = reader.ids
    for _ in range(2):
        reader.follow("Older")
        seen += reader.ids
    assert seen == ids(rows)
    assert set(reader.links) == {"Newest", "Newer"}
    for _ in range(2):
        reader.follow("Newer")
    assert reader.ids == ids(rows)[:50]
    assert "Newer" not in reader.links


def test_the_oldest_page_leads_up_to_the_newest(admin_client):
    rows = fill(60)[::-1]
    reader = Reader(admin_client)
    reader.follow("Oldest")
    assert reader.ids == ids(rows)[-50:]
    assert set(reader.links) == {"Newest", "Newer"}
    reader.follow("Newer")
    assert reader.ids == ids(rows)[:10]
    reader.follow("Older")
    assert reader.ids == ids(rows)[10:]
    reader.follow("Newest")
    assert reader.ids == ids(rows)[:50]


def test_what_arrives_meanwhile_moves_nothing_from_page_to_page(admin_client):
    rows = fill(60)[::-1]
    reader = Reader(admin_client)
    fill(5, first=60)
    reader.follow("Older")
    assert reader.ids == ids(rows)[50:]


def test_a_filter_begins_with_its_newest_page(admin_client):
    fill(60, provider_name="netflix")
    reader = Reader(admin_client)
    reader.follow("Older")
    assert "provider_name=netflix" in reader.text
    assert not re.search(r'href="[^"]*(before=[^"]*provider|provider[^"]*before=)', reader.text)
    assert 'name="before"' not in reader.text


def test_a_page_beyond_all_sessions_is_empty(admin_client):
    fill(3)
    reader = Reader(admin_client, f"?before={uuid.UUID(int=0)}")
    assert (reader.ids, set(reader.links)) == ([], {"Newest"})
    reader.go(f"?after={uuid.UUID(int=2**128 - 1)}")
    assert (reader.ids, set(reader.links)) == ([], {"Newest"})


@pytest.mark.parametrize(
    "query", ["before=x", "after=", f"before={uuid.UUID(int=1)}&after={uuid.UUID(int=1)}"]
)
def test_a_page_that_makes_no_sense_is_the_first_one(admin_client, query):
    response = admin_client.get(f"{LIST}?{query}")
    assert (response.status_code, response["Location"]) == (302, f"{LIST}?e=1")


def test_sessions_are_counted_up_to_a_limit(admin_client, small):
    fill(20)
    assert Reader(admin_client).list.count_in_words == "20"
    fill(1, first=20)
    assert Reader(admin_client, "?user=without").list.count_in_words == "more than 20"
    assert "21 tracking sessions" not in Reader(admin_client, "?user=without").text


def test_the_whole_table_is_estimated_where_the_database_keeps_a_count(admin_client, small):
    fill(1234)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    keeps = connection.vendor == "postgresql"
    reader = Reader(admin_client)
    assert reader.list.count_in_words == ("about 1,200" if keeps else "more than 20")
    assert f"{reader.list.count_in_words} tracking sessions" in reader.text


def test_no_page_counts_or_skips_without_a_limit(admin_client, small):
    fill(70, provider_name="netflix", user_id="ada")
    queries = ("", "?provider_name=netflix", "?state=active", "?q=ada", "?q=net*&state=active")
    for query in queries:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            Reader(admin_client, query)
        counts = [found["sql"] for found in captured if "COUNT(" in found["sql"]]
        assert all("LIMIT 21" in sql for sql in counts)
        offsets = [found["sql"] for found in captured if "OFFSET" in found["sql"]]
        assert all("LIMIT 1 OFFSET 30" in sql for sql in offsets)


@pytest.mark.parametrize(
    "query", ["?state=active", "?user=with", "?state=active&source=here", "?q=net*&user=with"]
)
def test_a_filter_that_no_index_serves_looks_through_a_stretch_and_says_so(admin_client, small, query):
    [wanted] = fill(1, user_id="ada")
    fill(70, first=1, ended_at=NOON)
    reader = Reader(admin_client, query)
    assert reader.ids == []
    assert reader.list.count_in_words == ""
    assert reader.list.looked_up_to == row(40).started_at
    assert "search further" in reader.text
    for _ in range(2):
        reader.go(reader.list.further)
    assert reader.ids == [wanted.session_id]
    assert "search further" not in reader.text


def test_the_stretch_begins_where_the_first_session_can_be(admin_client, small):
    fill(5, playout_id="maxdome:1", user_id="ada")
    old = fill(25, first=5, playout_id="maxdome:1")
    fill(70, first=30)
    reader = Reader(admin_client, "?q=maxdome:1&state=active")
    assert len(reader.ids) == 30
    reader.go(f"?q=maxdome:1&state=ended&before={old[0].session_id}")
    assert reader.ids == []


@pytest.fixture
def rare():
    """One session of a provider in 30 of another one, on each of four days, counted by the rollups."""
    rows = []
    for day in range(4):
        rows += fill(1, first=day * 1440, provider_name="maxdome", source="there")
        fill(29, first=day * 1440 + 1, provider_name="netflix")
    fill(100, first=5 * 1440, provider_name="netflix")
    list(rollups.run())
    return rows[::-1]


@pytest.mark.parametrize(
    "query", ["?provider_name=maxdome", "?source=there", "?provider_name=maxdome&source=there"]
)
def test_a_provider_is_searched_on_the_days_on_which_it_was_counted(
    admin_client, small, rare, monkeypatch, query
):
    monkeypatch.setattr(paging, "SPAN_COST", 5)
    assert Reader(admin_client, f"{query}&from=2026-03-06").ids == []
    reader = Reader(admin_client, query)
    assert reader.ids == ids(rare[:1])
    assert reader.list.looked_up_to == row(2 * 1440 + 29).started_at
    monkeypatch.setattr(paging, "STRETCH", 121)
    assert Reader(admin_client, query).ids == ids(rare)
    assert Reader(admin_client, f"{query}&to=2026-03-02").ids == ids(rare[2:])
    upwards = Reader(admin_client, f"{query}&after={uuid.UUID(int=0)}")
    assert upwards.ids == ids(rare)
    assert Reader(admin_client, f"{query}&before={rare[1].session_id}").ids == ids(rare[2:])
    assert Reader(admin_client, f"{query}&after={rare[1].session_id}").ids == ids(rare[:1])


def test_many_days_with_few_sessions_are_searched_in_parts(admin_client, small, monkeypatch):
    wanted = []
    for day in range(0, 12, 2):
        wanted += fill(1, first=day * 1440, provider_name="maxdome")
        fill(1, first=(day + 1) * 1440, provider_name="netflix")
    list(rollups.run())
    monkeypatch.setattr(paging, "SPAN_COST", 10)
    reader = Reader(admin_client, "?provider_name=maxdome")
    seen = reader.ids
    assert 0 < len(seen) < len(wanted)
    while reader.list.looked_up_to:
        reader.go(reader.list.further)
        seen += reader.ids
    assert seen == ids(wanted[::-1])
    up = Reader(admin_client, f"?provider_name=maxdome&after={uuid.UUID(int=0)}")
    upwards = up.ids[::-1]
    while up.list.looked_up_to:
        up.go(up.list.further)
        upwards += up.ids[::-1]
    assert upwards == ids(wanted)


def test_sessions_that_are_not_counted_yet_are_found_by_their_provider(admin_client, rare):
    new, late = row(6 * 1440, provider_name="maxdome"), row(5 * 1440 + 500, provider_name="maxdome")
    for session in (new, late):
        session.save()
    assert Reader(admin_client, "?provider_name=maxdome").ids == ids([new, late, *rare])


@pytest.mark.parametrize("action", ["delete_selected", "end_selected"])
def test_all_of_a_provider_are_changed_on_the_days_on_which_there_are_some(admin_client, rare, action):
    gap = fill(3, first=9 * 1440, provider_name="netflix")
    wanted = [*rare, *fill(2, first=12 * 1440, provider_name="maxdome")]
    list(rollups.run())
    query, others = "?provider_name=maxdome", TrackingSession.objects.exclude(provider_name="maxdome").count()
    exported = b"".join(admin_client.post(f"{LIST}export/{query}", {"format": "ndjson"})).splitlines()
    assert len(exported) == len(wanted)
    asked = until(admin_client, query)
    admin_client.post(LIST + query, {**across(post="yes", until=asked), "action": action})
    assert TrackingSession.objects.exclude(provider_name="maxdome").open().count() == others
    left = TrackingSession.objects.filter(provider_name="maxdome")
    assert left.ended().count() == left.count() == (0 if action == "delete_selected" else len(wanted))
    assert len(gap) == 3


def test_where_no_session_can_be_left_the_search_ends(admin_client, small):
    fill(70, first=1, provider_name="netflix")
    reader = Reader(admin_client, f"?provider_name=netflix&state=active&before={row(0).session_id}")
    assert (reader.ids, reader.list.looked_up_to, set(reader.links)) == ([], None, {"Newest"})


@pytest.mark.parametrize("term", ["x" * 300, "x" * 300 + "*", "\x7f"])
def test_what_no_id_can_be_is_found_nowhere(admin_client, term):
    fill(1)
    assert listed(admin_client, f"?q={term}") == set()


def test_upwards_a_stretch_is_looked_through_likewise(admin_client, small):
    fill(70, ended_at=NOON)
    [wanted] = fill(1, first=70)
    reader = Reader(admin_client, f"?state=active&after={uuid.UUID(int=0)}")
    assert reader.ids == []
    assert reader.list.looked_up_to == row(30).started_at
    for _ in range(2):
        reader.go(reader.list.further)
    assert reader.ids == [wanted.session_id]


def test_few_sessions_are_looked_through_whatever_else_is_asked(admin_client, small):
    [wanted, *_] = fill(3, user_id="ada")
    fill(70, first=3, user_id="bob", ended_at=NOON)
    end(NOON, *TrackingSession.objects.filter(user_id="ada").exclude(pk=wanted.pk))
    reader = Reader(admin_client, "?q=ada&state=active")
    assert (reader.ids, reader.list.count_in_words) == ([wanted.session_id], "1")
    assert "1 tracking session\n" in reader.text


def test_anonymous_and_ended_sessions_are_found_without_looking_through_others(admin_client, small):
    anonymous = fill(1)
    fill(70, first=1, user_id="ada")
    assert Reader(admin_client, "?user=without").ids == ids(anonymous)
    end(NOON, *anonymous)
    assert Reader(admin_client, "?state=ended").ids == ids(anonymous)


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("netflix-de*", {"netflix-de:1", "netflix-de:2"}),
        ("netflix*", {"netflix-de:1", "netflix-de:2", "netflix:1"}),
        ("Netflix*", {"Netflix:1"}),
        ("ne_*", {"ne_%:1"}),
        ("ne_%25*", {"ne_%:1"}),
        ("ada*", {"netflix-de:2", "ada:1"}),
        ("é*", {"été:1"}),
        ("e*", set()),
        ("\U0010ffff*", {"\U0010ffff\U0010ffff"}),
        ("*", {"*"}),
        ("netflix-de:1*", {"netflix-de:1"}),
        ("*flix", set()),
        ("n*x", set()),
        ("netflix-de", set()),
        (r"\*", set()),
    ],
)
def test_a_search_finds_beginnings_where_it_ends_with_a_star(admin_client, term, expected):
    playouts = (
        "netflix-de:1",
        "netflix:1",
        "Netflix:1",
        "ne_%:1",
        "ada:1",
        "été:1",
        "\U0010ffff\U0010ffff",
        "*",
    )
    for number, playout in enumerate(playouts):
        row(number, playout_id=playout).save()
    row(10, playout_id="netflix-de:2", user_id="ada@example.com").save()
    assert listed(admin_client, f"?q={term}") == expected


def test_a_search_for_many_beginnings_is_combined_with_filters(admin_client, small):
    fill(70, provider_name="netflix")
    row(70, playout_id="arte:1", provider_name="netflix").save()
    reader = Reader(admin_client, "?q=netflix*&provider_name=netflix")
    assert len(reader.ids) == 30
    assert reader.list.looked_up_to is not None
    assert len(Reader(admin_client, "?q=netflix*&from=2026-03-01&to=2026-03-01").ids) == 30


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?from=2026-03-01", {"midnight:1", "late:1", "next:1"}),
        ("?to=2026-03-01", {"before:1", "midnight:1", "late:1"}),
        ("?from=2026-03-01&to=2026-03-01", {"midnight:1", "late:1"}),
        ("?from=2026-03-02&to=2026-03-01", set()),
        ("?from=&to=", {"before:1", "midnight:1", "late:1", "next:1"}),
        ("?from=1971-01-01&to=9998-12-31", {"before:1", "midnight:1", "late:1", "next:1"}),
    ],
)
def test_days_are_those_of_the_operators_zone(admin_client, settings, query, expected):
    settings.TIME_ZONE = "Asia/Kathmandu"
    midnight = datetime.datetime(2026, 2, 28, 18, 15, tzinfo=datetime.UTC)
    day = datetime.timedelta(days=1)
    for name, started in (
        ("before:1", midnight - datetime.timedelta.resolution),
        ("midnight:1", midnight),
        ("late:1", midnight + day - datetime.timedelta.resolution),
        ("next:1", midnight + day),
    ):
        TrackingSession.objects.create(
            session_id=uuid7(started, 1), playout_id=name, source="here", started_at=started
        )
    assert listed(admin_client, query) == expected


@pytest.mark.parametrize(
    "day", ["x", "2026-02-30", "0001-01-01", "9999-12-31", "1970-01-01", "%00", "1" * 500]
)
def test_a_day_that_is_none_gets_no_error_page(admin_client, day):
    for name in ("from", "to"):
        assert admin_client.get(f"{LIST}?{name}={day}")["Location"] == f"{LIST}?e=1"


def test_the_form_for_days_keeps_the_other_filters(admin_client):
    fill(3, provider_name="netflix")
    reader = Reader(admin_client, "?provider_name=netflix&q=netflix*&from=2026-03-01&state=active")
    form = re.search(r'<form id="jay-days" method="get">.*?</form>', reader.text, re.DOTALL).group()
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
    assert hidden == {"provider_name": "netflix", "q": "netflix*", "state": "active"}
    assert 'form="jay-days" name="from" value="2026-03-01"' in reader.text


@pytest.mark.parametrize(
    ("query", "count"),
    [
        # Always: session, user, rows, two for providers and two for sources, the rollups' state. Then the
        # count, or what the search looks up.
        ("", 9),
        ("?before=ffffffff-ffff-ffff-ffff-ffffffffffff", 9),
        ("?provider_name=netflix", 10),
        ("?state=ended", 9),
        ("?user=without", 9),
        ("?from=2026-03-01&to=2026-03-01", 9),
        ("?state=active", 9),
        ("?q=netflix:1", 12),
        (f"?q={row(1).session_id}", 13),
        ("?q=netflix*", 12),
        ("?provider_name=netflix&state=active", 10),
        ("?provider_name=netflix&source=here&state=ended", 12),
    ],
)
def test_each_page_costs_a_fixed_number_of_queries(admin_client, django_assert_num_queries, query, count):
    fill(60, provider_name="netflix")
    admin_client.get(LIST)
    with django_assert_num_queries(count):
        admin_client.get(LIST + query)


def test_the_summary_costs_the_list_few_queries_where_sessions_are_rolled_up(
    admin_client, django_assert_num_queries
):
    fill(60)
    list(rollups.run())
    admin_client.get(LIST)
    # One more asks PostgreSQL for its time.
    with django_assert_num_queries(15 if connection.vendor == "postgresql" else 14):
        assert "Sessions today" in admin_client.get(LIST).content.decode()


def test_the_page_of_a_session_costs_a_fixed_number_of_queries(admin_client, django_assert_num_queries):
    [one] = fill(1)
    admin_client.get(f"{LIST}{one.pk}/change/")
    with django_assert_num_queries(3):
        admin_client.get(f"{LIST}{one.pk}/change/")


@pytest.fixture
def many():
    """Rows of which the newest are not those that are asked for, and what the planner knows of them."""
    fill(6000, provider_name="maxdome", user_id="old", source="old")
    for first in (6000, 12000):
        fill(6000, first=first, provider_name="netflix", user_id="new", source="new")
    TrackingSession.objects.filter(session_id__lt=row(6000).session_id).update(playout_id="maxdome:1")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@pytest.mark.parametrize(
    ("field", "value", "index"),
    [
        ("playout_id", "maxdome:1", "jay_session_playout"),
        ("user_id", "old", "jay_session_user"),
    ],
)
def test_the_rows_of_a_value_are_read_off_its_index_where_all_of_them_are_old(many, field, value, index):
    rows = TrackingSession.objects.with_value(field, value)
    assert rows.values_list("session_id", flat=True).first() == row(5999).session_id
    for plan in (rows[:51].explain(), rows.reverse()[:51].explain(), rows.values_list("pk")[:9].explain()):
        assert index in plan
        assert "Sort" not in plan
        assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize(
    ("field", "prefix", "index"),
    [("playout_id", "netflix:17", "jay_session_playout"), ("user_id", "ol", "jay_session_user")],
)
def test_beginnings_are_found_by_the_index(many, field, prefix, index):
    rows = TrackingSession.objects.starting_with(field, prefix)
    assert all(getattr(found, field).startswith(prefix) for found in rows)
    assert len(rows) == (1000 if field == "playout_id" else 6000)
    assert index in rows.values_list("pk")[:51].explain()


def across(**fields):
    return {"action": "delete_selected", "select_across": "1", "_selected_action": ["1"], **fields}


def until(client, query=""):
    text = client.post(LIST + query, across(index="0")).content.decode()
    assert TrackingSession.objects.exists()
    return html.unescape(re.search(r'name="until" value="([^"]*)"', text).group(1))


def test_all_that_match_are_deleted_in_batches_and_leave_one_line(admin_client, monkeypatch):
    monkeypatch.setattr(deletion, "BATCH", 10)
    fill(35, provider_name="netflix")
    fill(5, first=35, provider_name="arte")
    asked = until(admin_client, "?provider_name=netflix")
    with CaptureQueriesContext(connection) as captured:
        page = admin_client.post(
            f"{LIST}?provider_name=netflix", across(post="yes", until=asked), follow=True
        )
    assert "35 tracking sessions were deleted." in page.content.decode()
    deletes = [found["sql"] for found in captured if found["sql"].startswith("DELETE")]
    assert len(deletes) == 4
    assert set(TrackingSession.objects.values_list("provider_name", flat=True)) == {"arte"}
    line = LogEntry.objects.get()
    assert (line.action_flag, line.object_repr) == (DELETION, "35 tracking sessions")
    assert line.get_change_message() == "Deleted all that matched: provider_name=netflix."


def test_the_question_names_how_many_and_collects_none(admin_client, small):
    fill(70)
    page = admin_client.post(f"{LIST}?user=without", across(index="0"))
    assert "Delete more than 20 tracking sessions" in page.content.decode()
    assert str(row(1).session_id) not in page.content.decode()


def test_what_began_after_the_question_is_left(admin_client, time_machine):
    time_machine.move_to(NOON + datetime.timedelta(minutes=2, seconds=30), tick=False)
    fill(3)
    asked = until(admin_client)
    fill(2, first=3)
    admin_client.post(LIST, across(post="yes", until=asked))
    assert ids(TrackingSession.objects.order_by("pk")) == ids([row(3), row(4)])


@pytest.mark.parametrize("text", ["", "x", "2026-13-01T00:00:00Z", "2026-03-01T00:00:00", "\0", "9" * 999])
def test_without_a_time_the_question_is_asked_again(admin_client, text):
    fill(3)
    page = admin_client.post(LIST, across(post="yes", until=text))
    assert page.status_code == 200
    assert 'name="until"' in page.content.decode()
    assert TrackingSession.objects.count() == 3


def test_a_deletion_has_an_end_and_says_that_there_may_be_more(admin_client, monkeypatch):
    monkeypatch.setattr(deletion, "BATCH", 10)
    monkeypatch.setattr(deletion, "MAX_DELETED", 20)
    fill(25)
    asked = timezone.now().replace(year=2027).isoformat()
    page = admin_client.post(LIST, across(post="yes", until=asked), follow=True)
    assert "There may be more that match" in page.content.decode()
    assert TrackingSession.objects.count() == 5


def test_a_search_is_deleted_as_it_is_shown(admin_client):
    fill(3)
    kept = fill(2, first=3, playout_id="arte:1")
    asked = timezone.now().replace(year=2027).isoformat()
    admin_client.post(f"{LIST}?q=netflix*", across(post="yes", until=asked))
    assert ids(TrackingSession.objects.order_by("pk")) == ids(kept)


def test_a_deletion_of_nothing_leaves_no_line(admin_client):
    asked = timezone.now().isoformat()
    page = admin_client.post(LIST, across(post="yes", until=asked), follow=True)
    assert "0 tracking sessions were deleted." in page.content.decode()
    assert not LogEntry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_deletion_that_breaks_off_is_in_the_log_with_what_it_did(admin_client, monkeypatch):
    monkeypatch.setattr(deletion, "BATCH", 10)
    fill(25)
    asked = timezone.now().replace(year=2027).isoformat()
    done = []

    def refuse_the_second(execute, sql, params, many, context):
        if sql.startswith("DELETE"):
            if done:
                raise OperationalError("server closed the connection unexpectedly")
            done.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse_the_second):
        response = admin_client.post(LIST, across(post="yes", until=asked))
    assert response.status_code == 503
    assert TrackingSession.objects.count() == 15
    assert LogEntry.objects.get().object_repr == "10 tracking sessions"


def test_who_may_not_delete_cannot_delete_all(admin_client):
    fill(3)
    client = operator("view_trackingsession")
    client.post(LIST, across(post="yes", until="2099-01-01T00:00:00Z"))
    assert TrackingSession.objects.count() == 3


def test_the_offer_to_delete_all_stands_where_there_are_other_pages(admin_client):
    fill(50)
    assert "Delete all" not in Reader(admin_client).text
    fill(1, first=50)
    assert "Delete all 51 tracking sessions" in Reader(admin_client).text


@pytest.mark.parametrize(
    "query", ["?provider_name=arte", "?state=active&user=with&from=1999-01-01&to=1999-01-02"]
)
def test_a_list_without_a_session_says_so(admin_client, query, monkeypatch):
    fill(3)
    assert "0 tracking sessions" in Reader(admin_client, query).text
    monkeypatch.setattr(paging, "STRETCH", 1)
    assert "0 tracking sessions" not in Reader(admin_client, "?provider_name=arte").text
