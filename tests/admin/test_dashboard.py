"""The dashboard, over real rows: what it shows, what it links to, what it refuses."""

import datetime
import html
import re
import uuid

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.utils import timezone

from jay_sessions import conf
from jay_sessions.admin.dashboard.cards import of
from jay_sessions.admin.dashboard.views import summary_of_today
from jay_sessions.analytics import rollups
from jay_sessions.analytics.statistics import Metrics
from jay_sessions.core.uuid7 import uuid7
from jay_sessions.models import LinkedZephrSession, TrackingSession

from ..conftest import operator, sql_refused, store_down
from ..support.ends import end

pytestmark = pytest.mark.django_db

PAGE = "/admin/jay_sessions/trackingsession/dashboard/"
LIST = "/admin/jay_sessions/trackingsession/"
NOW = datetime.datetime(2026, 3, 11, 12, 0, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
MINUTE = datetime.timedelta(minutes=1)

urlpatterns = [path("admin/", admin.site.urls)]  # of a site that serves the API elsewhere


@pytest.fixture(autouse=True)
def _noon(time_machine):
    time_machine.move_to(NOW, tick=False)


def store(playout="netflix:1", *, ago=MINUTE, user=None, minutes=None):
    started = timezone.now() - ago
    row = TrackingSession.objects.create(
        session_id=uuid7(started, uuid.uuid4().int >> 66),
        playout_id=playout,
        provider_name=conf.get().provider_name(playout),
        user_id=user,
        source="here",
        started_at=started,
    )
    end(None if minutes is None else started + minutes * MINUTE, row)
    return row


def show(client, query=""):
    response = client.get(PAGE + query)
    assert response.status_code == 200
    return response


def content_of(response):
    """The page's own part of the HTML."""
    return response.content.decode().partition('id="content-main"')[2].partition('id="footer"')[0]


def text_of(response):
    """What a reader sees, on one line."""
    body = re.sub(r"<[^>]+>", " ", content_of(response))
    return re.sub(r"\s+", " ", html.unescape(body))


def cards(response):
    return {
        card.label: (card.value, f"{card.arrow} {card.change}".strip()) for card in response.context["cards"]
    }


def chart(response, slug):
    [found] = [chart for chart in response.context["charts"] if chart.slug == slug]
    return found


def hrefs(response):
    return [html.unescape(href) for href in re.findall(r'href="([^"]+)"', response.content.decode())]


@pytest.fixture
def week():
    """Seven sessions of three users in the last seven days, and four of one user in those before."""
    for days, user, minutes in ((0, "ada", 10), (1, "ada", 20), (1, "bob", None), (2, None, None)):
        store(ago=days * DAY + MINUTE, user=user, minutes=minutes)
    for days in (3, 4, 6):
        store("zdf:1", ago=days * DAY + MINUTE, user="cleo")
    for days in (8, 9, 10, 11):
        store("zdf:2", ago=days * DAY, user="cleo", minutes=60)


def test_cards_compare_a_period_with_the_one_before(admin_client, week):
    assert cards(show(admin_client, "?period=7-days")) == {
        "Sessions": ("7", "▲ 75% more"),
        "Users": ("3", "▲ 200% more"),
        "New users": ("2", "▲ 100% more"),
        "Mean duration": ("15 min", "▼ 75% shorter"),
    }


@pytest.mark.parametrize("is_rolled_up", [False, True])
def test_charts_have_the_values_of_each_day_rolled_up_or_not(admin_client, week, is_rolled_up):
    if is_rolled_up:
        list(rollups.run())
    response = show(admin_client, "?period=7-days")
    slots = {slot.name: slot.texts for slot in chart(response, "sessions").slots}
    assert list(slots)[::6] == ["Thu 5 Mar 2026", "Wed 11 Mar 2026"]
    # Sessions, users, and both a week earlier.
    assert slots["Tue 10 Mar 2026"] == ["2", "2", "1", "1"]
    assert slots["Mon 9 Mar 2026"] == ["1", "0", "1", "1"]
    assert [slot.texts for slot in chart(response, "users").slots][-2:] == [["0", "2"], ["1", "0"]]
    assert [slot.texts[0] for slot in chart(response, "duration").slots][-3:] == ["-", "20 min", "10 min"]


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        (0, 0, "= no change"),
        (3, 0, "▲ none before"),
        (0, 3, "▼ 100% fewer"),
        (10_001, 10_000, "▲ 0.1% more"),
        (103, 100, "▲ 3.0% more"),
        (1996, 1000, "▲ 100% more"),
        (50_000, 1, "▲ 4,999,900% more"),
    ],
)
def test_a_change_is_told_in_words(now, before, expected):
    found = of(Metrics(sessions=now), Metrics(sessions=before))[0]
    assert f"{found.arrow} {found.change}" == expected


def test_without_ended_sessions_there_is_no_mean_to_compare(admin_client):
    store()
    assert cards(show(admin_client))["Mean duration"] == ("-", "nothing to compare with")


@pytest.mark.parametrize(
    ("ended", "note"),
    [(1, "of 1 ended session"), (2, "of 2 ended sessions"), (1000, "of 1,000 ended sessions")],
)
def test_the_mean_duration_says_of_how_many_sessions_it_is(ended, note):
    assert of(Metrics(ended=ended, mean_duration=MINUTE), Metrics())[3].note == note


def test_the_most_watched_come_first_with_their_share_and_links(admin_client, week):
    playouts, providers = show(admin_client, "?period=7-days").context["tops"]
    assert [(row.name, row.sessions, row.users, row.share) for row in playouts.rows] == [
        ("netflix:1", "4", "2", "57.1%"),
        ("zdf:1", "3", "1", "42.9%"),
    ]
    assert playouts.rows[0].sessions_href == f"{LIST}?from=2026-03-05&to=2026-03-11&q=netflix%3A1"
    assert playouts.rows[0].dashboard_href == f"{PAGE}?period=7-days&playout=netflix%3A1"
    assert providers.rows[1].sessions_href == f"{LIST}?from=2026-03-05&to=2026-03-11&provider_name=zdf"
    assert providers.rows[1].dashboard_href == f"{PAGE}?period=7-days&provider=zdf"


@pytest.fixture
def linked(week, setting):
    """Three of the week's sessions are linked to Zephr's, and the site links."""
    zephr = {"BASE_URL": "http://127.0.0.1:1", "ACCESS_KEY": "access", "SECRET_KEY": "secret"}
    setting(ZEPHR={**zephr, "LINK_SESSIONS": True})
    for device, country, count in (("mobile", "DE", 2), ("tv", "FR", 1)):
        LinkedZephrSession.objects.create(
            pk=device, claimed_at=NOW, fetched_at=NOW, device=device, country=country
        )
        rows = TrackingSession.objects.filter(zephr_session=None).order_by("-session_id")[:count]
        TrackingSession.objects.filter(pk__in=[row.pk for row in rows]).update(zephr_session=device)


def test_a_site_that_links_sees_devices_and_countries(admin_client, linked):
    response = show(admin_client, "?period=7-days")
    *_, devices, countries = response.context["tops"]
    assert [(row.name, row.sessions, row.share) for row in devices.rows] == [
        ("mobile", "2", "66.7%"),
        ("tv", "1", "33.3%"),
    ]
    assert countries.rows[0].sessions_href == f"{LIST}?from=2026-03-05&to=2026-03-11&zephr_country=DE"
    assert devices.rows[0].sessions_href == f"{LIST}?from=2026-03-05&to=2026-03-11&zephr_device=mobile"
    assert "Top devices Device Sessions Share mobile 2 66.7%" in text_of(response)


def test_a_long_period_is_shown_by_week(admin_client, week):
    response = show(admin_client, "?period=52-weeks")
    sessions = chart(response, "sessions")
    assert len(sessions.slots) == 52
    assert sessions.slots[-1].name == "5 Mar 2026 \u2013 11 Mar 2026"
    assert sessions.slots[-1].texts[0] == "7"
    assert sessions.slots[-2].href.endswith("?from=2026-02-26&to=2026-03-04")
    assert "Sessions and users by week" in text_of(response)
    assert "Week Sessions Users" in text_of(response)


def test_a_site_that_does_not_link_sees_neither(admin_client, week):
    assert "Top devices" not in text_of(show(admin_client))


@pytest.mark.parametrize(
    ("query", "sessions", "heading"),
    [
        ("?period=7-days&playout=zdf:1", "3", "Playout zdf:1"),
        ("?period=7-days&playout= zdf:1 ", "3", "Playout zdf:1"),
        ("?period=7-days&provider=netflix", "4", "Provider netflix"),
        ("?period=7-days&playout=zdf", "0", "Playout zdf"),
        ("?period=7-days&provider=unknown", "0", "Provider unknown"),
        ("?period=7-days", "7", "Whole site"),
    ],
)
def test_one_playout_or_provider_has_a_dashboard_too(admin_client, week, query, sessions, heading):
    response = show(admin_client, query)
    assert cards(response)["Sessions"][0] == sessions
    assert heading in text_of(response)
    assert bool(response.context["tops"]) is (heading == "Whole site")


@pytest.mark.parametrize(
    ("query", "first", "after"),
    [
        ("", "2026-02-10", "2026-03-12"),
        ("?period=7-days", "2026-03-05", "2026-03-12"),
        ("?period=90-days", "2025-12-12", "2026-03-12"),
        ("?period=52-weeks", "2025-03-13", "2026-03-12"),
        ("?first=2026-01-05&last=2026-01-05", "2026-01-05", "2026-01-06"),
        ("?first=2026-03-01", "2026-03-01", "2026-03-12"),
        ("?period=7-days&first=2025-02-05&last=2026-03-11", "2025-02-05", "2026-03-12"),
        ("?first=2000-01-01&last=2000-12-31", "2000-01-01", "2001-01-01"),
    ],
)
def test_a_period_is_whole_days_that_end_with_today_or_as_asked(admin_client, query, first, after):
    period = show(admin_client, query).context["choice"].period
    assert (period.first.isoformat(), period.after.isoformat()) == (first, after)
    assert (period.before.after, period.before.length) == (period.first, period.length)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?first=2025-02-04&last=2026-03-11", "at most 400 days"),
        ("?first=2026-03-10&last=2026-03-09", "Choose the first day or a later day"),
        ("?first=2026-03-10&last=2026-03-12", "not in the future"),
        ("?first=2026-03-12", "Choose the first day or a later day"),
        ("?first=1999-12-31", "from the year 2000 on"),
        ("?first=0001-01-01&last=0001-01-02", "from the year 2000 on"),
        ("?last=2026-03-10", "Choose the first day as well"),
        ("?first=10/03/2026", "From: Enter a valid date."),
        ("?last=9999-99-99", "To: Enter a valid date."),
        ("?first=x&last=2026-03-10", "From: Enter a valid date."),
        ("?period=nonsense", "nonsense is not one of the available choices"),
        ("?playout=a&provider=b", "not both"),
        (f"?playout={'x' * 256}", "at most 255 characters"),
        (f"?provider={'x' * 256}", "at most 255 characters"),
        ("?playout=a%00b", "Null characters"),
        ("?provider=a%07b", "control characters"),
    ],
)
def test_what_makes_no_sense_is_explained(admin_client, query, words):
    store()
    response = show(admin_client, query)
    assert words in text_of(response)
    assert "charts" not in response.context


def test_days_are_those_of_the_site_and_not_of_the_operator(admin_client, settings):
    settings.TIME_ZONE = "Pacific/Auckland"  # where it is tomorrow by now
    store(ago=2 * datetime.timedelta(hours=1))
    with timezone.override("America/Los_Angeles"):
        slots = chart(show(admin_client, "?period=7-days"), "sessions").slots
    assert [(slot.name, slot.texts[0]) for slot in slots][-2:] == [
        ("Wed 11 Mar 2026", "1"),
        ("Thu 12 Mar 2026", "0"),
    ]


def test_a_single_day_has_cards_and_no_charts(admin_client, week):
    response = show(admin_client, "?first=2026-03-10&last=2026-03-10")
    assert cards(response)["Sessions"] == ("2", "▲ 100% more")
    assert "<figure" not in content_of(response)
    assert [row.name for row in response.context["tops"][0].rows] == ["netflix:1"]


def test_every_link_of_the_page_leads_somewhere(admin_client, week):
    for query in ("?period=7-days", "?period=30-days&playout=zdf:1", "?first=2026-03-01&last=2026-03-04"):
        found = {href for href in hrefs(show(admin_client, query)) if href.startswith((LIST, "?"))}
        assert len(found) > 5
        for href in found:
            assert admin_client.get(href).status_code == 200, href


def test_a_day_leads_to_its_sessions(admin_client, week):
    slots = chart(show(admin_client, "?period=7-days&provider=zdf"), "sessions").slots
    assert slots[-3].href == f"{LIST}?from=2026-03-09&to=2026-03-09&provider_name=zdf"


@pytest.mark.parametrize("period", ["7-days", "52-weeks"])
def test_what_a_number_leads_to_is_what_it_counts(admin_client, week, period):
    response = show(admin_client, f"?period={period}")
    links = [(slot.href, slot.texts[0]) for slot in chart(response, "sessions").slots if slot.texts[0] != "0"]
    links += [(row.sessions_href, row.sessions) for top in response.context["tops"] for row in top.rows]
    for href, count in links:
        assert str(len(admin_client.get(href).context["cl"].result_list)) == count, href


def test_another_period_keeps_the_subject_and_the_form_keeps_what_was_asked(admin_client, week):
    response = show(admin_client, "?period=90-days&playout=zdf:1")
    assert f"{PAGE}?period=7-days&playout=zdf%3A1" in hrefs(response)
    assert [current for _label, _href, current in response.context["presets"]] == [False, False, True, False]
    page = response.content.decode()
    assert '<input type="hidden" name="period" value="90-days"' in page
    assert 'value="zdf:1"' in page


def test_names_from_outside_are_text(admin_client):
    store('"><script>alert(1)</script>', user="ada")
    for query in ("", "?playout=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "?provider=%3Cscript%3Ealert(1)"):
        assert "<script>alert" not in show(admin_client, query).content.decode()


def test_the_page_has_neither_styles_nor_scripts_of_its_own(admin_client, week):
    content = content_of(show(admin_client))
    assert "<svg" in content
    assert not re.search(r"<(style|script)|\s(style|on\w+)=", content)


def test_numbers_are_written_the_way_of_the_language_but_positions_are_not(admin_client, week, settings):
    settings.LANGUAGE_CODE = "de"
    content = content_of(show(admin_client, "?period=7-days"))
    assert "57,1%" in content
    assert not re.search(r'="[\d.]+,\d', content)


def test_each_chart_has_a_name_and_a_table(admin_client, week):
    content = content_of(show(admin_client, "?period=7-days"))
    for slug in ("sessions", "users", "duration"):
        assert content.count(f'id="jay-{slug}-title"') == content.count(f'id="jay-{slug}-table"') == 1
    assert content.count("<title>Wed 11 Mar 2026") == 3
    assert content.count('scope="row"') == 3 * 7 + 4


def test_in_a_long_period_the_tab_key_skips_the_days(admin_client, week):
    assert 'tabindex="-1"' not in content_of(show(admin_client, "?period=30-days"))
    content = content_of(show(admin_client, "?period=90-days"))
    assert content.count('tabindex="-1"') == content.count('class="jay-slot"') == 3 * 90


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(None, "never rolled up"), (61, "last rolled up at March 11, 2026, 10:59 a.m"), (59, None)],
)
def test_old_rollups_are_mentioned_with_the_command(admin_client, time_machine, minutes, words):
    store(ago=DAY)
    if minutes is not None:
        time_machine.move_to(NOW - (minutes - 1) * MINUTE, tick=False)
        list(rollups.run())
        time_machine.move_to(NOW, tick=False)
    found = text_of(show(admin_client))
    assert ("manage.py jay_rollup_sessions" in found) is (words is not None)
    assert words is None or words in found


def test_a_new_site_is_told_how_a_first_session_is_made(admin_client):
    response = show(admin_client)
    found = text_of(response)
    assert "No tracking sessions yet" in found
    assert "http://testserver/playouts/example-playout/tracking/session" in found
    assert "manage.py jay_rollup_sessions" in found
    assert "/admin/jay_sessions/apikey/add/" in hrefs(response)


@pytest.mark.urls(__name__)
def test_a_site_that_serves_the_api_elsewhere_is_told_as_well(admin_client):
    assert "https://…/playouts/…/tracking/session" in text_of(show(admin_client))


def test_a_period_without_sessions_is_no_new_site(admin_client):
    store(ago=100 * DAY)
    found = text_of(show(admin_client, "?period=7-days"))
    assert "There were no sessions in this period" in found
    assert "No tracking sessions yet" not in found


def test_a_database_that_is_away_is_said_to_be(admin_client):
    with sql_refused("jay_"):
        response = admin_client.get(PAGE)
    assert response.status_code == 503
    assert "The database is unavailable" in text_of(response)


def test_the_page_is_for_those_who_may_see_sessions():
    assert Client().get(PAGE).status_code == 302
    client = operator("view_apikey")
    assert client.get(PAGE).status_code == 403
    User.objects.get().user_permissions.add(Permission.objects.get(codename="view_trackingsession"))
    response = show(client)
    assert {"no-store", "private"} <= set(response["Cache-Control"].split(", "))


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_the_page_is_only_read(admin_client, method):
    assert getattr(admin_client, method)(PAGE).status_code == 405


@pytest.mark.parametrize("period", ["7-days", "52-weeks"])
@pytest.mark.parametrize("is_rolled_up", [False, True])
def test_a_page_costs_a_fixed_number_of_queries(admin_client, week, period, is_rolled_up):
    if is_rolled_up:
        list(rollups.run())
    show(admin_client)
    with CaptureQueriesContext(connection) as queries:
        show(admin_client, f"?period={period}")
    # PostgreSQL is asked whether it is a replica, here within a savepoint.
    own = 3 if connection.vendor == "postgresql" else 0
    assert len(queries) == own + (35 if is_rolled_up else 31)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="Others have no replicas of this kind.")
def test_a_database_that_cannot_say_whether_it_is_a_replica_has_a_dashboard_too(admin_client, week):
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION public.pg_is_in_recovery() RETURNS bool LANGUAGE plpgsql "
            "AS 'BEGIN RAISE feature_not_supported; END'"
        )
        cursor.execute("SET LOCAL search_path = public, pg_catalog")
    assert "replica" not in text_of(show(admin_client))


def test_the_summary_has_no_numbers_where_they_would_have_to_be_counted(week, time_machine):
    page = render_to_string("admin/jay_sessions/summary.html", {"summary": summary_of_today("admin")})
    assert "Open the dashboard" in page
    assert "Sessions today" not in page
    list(rollups.run())
    time_machine.move_to(NOW + 2 * datetime.timedelta(hours=1), tick=False)
    assert "cards" not in summary_of_today("admin")


def test_the_summary_has_today_beside_yesterday(week):
    list(rollups.run())
    page = render_to_string("admin/jay_sessions/summary.html", {"summary": summary_of_today("admin")})
    found = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "Sessions today 1 2 in all of yesterday Users today 1 2 in all of yesterday" in found
    assert f'href="{PAGE}?period=30-days"' in page


def test_the_summary_of_a_database_that_is_away_is_empty():
    with store_down():
        assert summary_of_today("admin") == {}
    assert not render_to_string("admin/jay_sessions/summary.html", {"summary": {}}).strip()


def test_playouts_beyond_the_limit_are_others_without_a_link(admin_client, setting):
    setting(MAX_DAILY_PLAYOUTS=1)
    for number in range(3):
        store(f"netflix:{number}", ago=(30 - number) * MINUTE, user="ada")
    list(rollups.run())
    page = show(admin_client, "?period=7-days").content.decode()
    [row] = re.findall(r'<th scope="row">others\s.*?</tr>', page, re.DOTALL)
    assert "href" not in row
    assert re.findall(r'<td class="jay-number[^"]*">(.*?)</td>', row) == ["2", "66.7%", ""]
