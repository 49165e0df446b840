"""The admin on sites that are set up in another way than the example site: themes, sites, languages."""

import datetime
import html
import re
from html.parser import HTMLParser

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.http import HttpRequest
from django.test import Client
from django.urls import get_script_prefix, include, path, reverse, set_script_prefix
from django.utils import timezone

from jay_sessions.admin import ApiKeyAdmin, TrackingSessionAdmin
from jay_sessions.admin.changelist.filters import ZEPHR_FILTERS
from jay_sessions.admin.changelist.strict import base_class
from jay_sessions.analytics import rollups
from jay_sessions.core.uuid7 import uuid7
from jay_sessions.models import ApiKey, TrackingSession

from ..conftest import operator
from ..support.ends import end
from .test_scale import fill
from .test_sessions import LIST, listed, store

pytestmark = pytest.mark.django_db

FILTERS = [*TrackingSessionAdmin.list_filter, *ZEPHR_FILTERS]

# Two admin sites of a site's own, and none of the name that Django's own has.
staff = admin.AdminSite(name="staff")
staff.register(TrackingSession, TrackingSessionAdmin)
staff.register(ApiKey, ApiKeyAdmin)
analysts = admin.AdminSite(name="analysts")
analysts.register(TrackingSession, TrackingSessionAdmin)

urlpatterns = [
    path("intern/staff/", staff.urls),
    path("intern/analysts/", analysts.urls),
    path("", include("jay_sessions.urls")),
]


class Forms(HTMLParser):
    """The forms of a page, and what belongs to them; fails where one stands in another."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: dict[str, dict[str, str]] = {}
        self.fields: list[dict[str, str]] = []
        self._open = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            assert not self._open, "a form in a form"
            self._open += 1
            self.forms[found.get("id", "")] = found
        if tag in ("input", "button", "select"):
            self.fields.append(found)

    def handle_endtag(self, tag):
        self._open -= tag == "form"

    def of(self, form: str) -> dict[str, str]:
        """The names and values of the fields that name this form as theirs."""
        mine = [field for field in self.fields if field.get("form") == form]
        return {field.get("name", ""): field.get("value", "") for field in mine}


@pytest.mark.parametrize("chosen", FILTERS, ids=lambda chosen: chosen.__name__)
@pytest.mark.parametrize("query", ["", "?from=2026-01-01", "?state=ended&user=with"])
def test_a_filter_has_what_themes_ask_of_each(rf, admin_user, chosen, query):
    request: HttpRequest = rf.get(LIST + query)
    request.user = admin_user
    model_admin = admin.site.get_model_admin(TrackingSession)
    shown = model_admin.get_changelist_instance(request)
    params = {name: request.GET.getlist(name) for name in request.GET}
    found = chosen(request, params, TrackingSession, model_admin)
    assert str(found.title)
    assert isinstance(found.parameter_name, str)
    assert found.parameter_name in found.expected_parameters()
    choices = list(found.choices(shown))
    assert all({"selected", "query_string", "display"} <= set(choice) for choice in choices)
    assert len([str(choice["display"]) for choice in choices if choice["selected"]]) == 1
    assert bool(found.value()) == any(name in request.GET for name in found.expected_parameters())


def test_no_filter_brings_a_form_of_its_own_into_that_of_a_theme(admin_client):
    fill(60)
    page = Forms(admin_client.get(f"{LIST}?from=2026-01-01&provider_name=x&q=netflix*").content.decode())
    assert {"changelist-search", "changelist-form", "jay-days"} <= set(page.forms)
    assert page.of("jay-days") == {"from": "2026-01-01", "to": "", "": "Show"}


def test_the_days_keep_the_other_filters(admin_client):
    text = admin_client.get(f"{LIST}?from=2026-01-01&state=ended&q=ada").content.decode()
    [form] = re.findall(r'<form id="jay-days".*?</form>', text, re.DOTALL)
    kept = dict(re.findall(r'name="(\w+)" value="(\w+)"', form))
    assert kept == {"state": "ended", "q": "ada"}


BARE = {
    "admin/base_site.html": "<title>{{ title }}</title>{% block content %}{% endblock %}",
    "admin/change_list.html": '{% extends "admin/base_site.html" %}{% load admin_list %}{% block content %}'
    "{% for spec in cl.filter_specs %}{% admin_list_filter cl spec %}{% endfor %}"
    '<form method="post">{% csrf_token %}{% block result_list %}{% admin_actions %}{% result_list cl %}'
    "{% endblock %}{% pagination cl %}</form>{% endblock %}",
    "admin/actions.html": "{% for field in action_form %}{{ field }}{% endfor %}"
    '<input type="submit" name="index">'
    "{% if cl.result_count != cl.result_list|length %}all are selected{% endif %}",
}


@pytest.fixture
def bare_theme(settings):
    """A theme of the admin with the fewest blocks, and neither classes nor scripts."""
    [engine] = settings.TEMPLATES
    loaders = [
        ("django.template.loaders.locmem.Loader", BARE),
        "django.template.loaders.app_directories.Loader",
    ]
    options = {**engine["OPTIONS"], "loaders": loaders}
    settings.TEMPLATES = [{"BACKEND": engine["BACKEND"], "OPTIONS": options}]


@pytest.mark.usefixtures("bare_theme")
def test_with_the_barest_theme_everything_is_in_reach(admin_client, setting, issue_key):
    setting(ZEPHR={"BASE_URL": "http://127.0.0.1:1", "ACCESS_KEY": "a", "SECRET_KEY": "s"})
    fill(60)
    text = admin_client.get(LIST).content.decode()
    page = Forms(text)
    for name in ("dashboard", "zephr_lookup"):
        assert f'href="{reverse(f"admin:jay_sessions_{name}")}' in text
    buttons = dict.fromkeys(("jay-export-csv", "jay-export-ndjson", "jay-end-all", "jay-delete-all"), 1)
    buttons["jay-days"] = 3
    assert {form: len(page.of(form)) for form in page.forms if form in buttons} == buttons
    assert {"Older", "Oldest"} == set(re.findall(r'<a role="button" href="[^"]*">(\w+)</a>', text))
    assert "all are selected" not in text
    for address in (f"{LIST}dashboard/", f"{LIST}zephr/", "/admin/jay_sessions/apikey/add/"):
        assert admin_client.get(address).status_code == 200


@pytest.mark.parametrize(
    ("query", "words"),
    [("", "120 tracking sessions"), ("?provider_name=zdf", "tracking sessions that match")],
)
def test_all_that_match_are_deleted_by_a_button_of_their_own_that_asks_first(admin_client, query, words):
    fill(60, provider_name="zdf")
    fill(60, first=60, provider_name="arte")
    text = admin_client.get(LIST + query).content.decode()
    assert f'form="jay-delete-all" value="Delete all {words}"' in text
    form = r'<form id="jay-delete-all" method="post" action="(.*?)">(.*?)</form>'
    [(action, inside)] = re.findall(form, text, re.DOTALL)
    fields = dict(re.findall(r'name="(\w+)" value="(\w+)"', inside))
    answer = admin_client.post(LIST + html.unescape(action), fields)
    question = answer.content.decode()
    assert TrackingSession.objects.count() == 120
    confirmed = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', question))
    admin_client.post(LIST + html.unescape(action), confirmed)
    assert TrackingSession.objects.count() == (60 if query else 0)


@pytest.mark.parametrize("count", [0, 1, 50])
def test_what_is_on_one_page_is_ticked_to_be_deleted(admin_client, count):
    fill(count)
    assert "jay-delete-all" not in admin_client.get(LIST).content.decode()


def test_who_may_not_delete_has_no_button_for_it():
    fill(60)
    assert "jay-delete-all" not in operator("view_trackingsession").get(LIST).content.decode()


@pytest.fixture(params=["staff", "analysts"])
def own_site(request, settings, setting):
    """The name of an admin site that is not Django's own, on a site that has two of them."""
    settings.ROOT_URLCONF = __name__
    setting(ZEPHR={"BASE_URL": "http://127.0.0.1:1", "ACCESS_KEY": "a", "SECRET_KEY": "s"})
    return request.param


UNFOLD = """
from django.contrib import admin


class ModelAdmin(admin.ModelAdmin):
    pass
"""


@pytest.mark.parametrize("is_installed", [False, True])
def test_the_admins_extend_the_class_of_unfold_where_that_is_installed(
    settings, tmp_path, monkeypatch, is_installed
):
    (tmp_path / "unfold").mkdir()
    (tmp_path / "unfold" / "__init__.py").touch()
    (tmp_path / "unfold" / "admin.py").write_text(UNFOLD)
    monkeypatch.syspath_prepend(tmp_path)
    if is_installed:
        settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "unfold"]
    found = base_class()
    assert (found is admin.ModelAdmin, found.__module__ == "unfold.admin") == (not is_installed, is_installed)
    assert issubclass(TrackingSessionAdmin, admin.ModelAdmin)


def links(text):
    found = re.findall(r'(?:href|action)="([^"?#]*)', text)
    return {link for link in found if link.startswith("/") and not link.startswith("/static/")}


@pytest.mark.parametrize("filled", [False, True])
def test_on_an_admin_site_of_its_own_each_link_leads_to_that_site(admin_client, own_site, filled):
    if filled:
        for number in range(60):
            store(f"netflix:{number % 3}", user_id="ada", ago=number * datetime.timedelta(hours=1))
    list(rollups.run())
    base = f"/intern/{own_site}/jay_sessions/trackingsession/"
    texts = [admin_client.get(base + page).content.decode() for page in ("", "dashboard/", "zephr/")]
    ticked = {"action": "delete_selected", "select_across": "1", "_selected_action": "all"}
    texts.append(admin_client.post(base, ticked).content.decode())
    found = set().union(*map(links, texts)) - {"/"}
    assert f"{base}dashboard/" in found
    assert f"{base}zephr/" in found
    assert {link for link in found if not link.startswith(f"/intern/{own_site}/")} == set()
    assert b"session_id" in b"".join(admin_client.post(f"{base}export/", {"format": "csv"}).streaming_content)


def test_a_key_is_created_on_an_admin_site_of_its_own(admin_client, settings):
    settings.ROOT_URLCONF = __name__
    base = "/intern/staff/jay_sessions/apikey/"
    form = {
        "name": "partner",
        "scopes": ["tracking"],
        "playouts": "*",
        "expires_at_0": "",
        "expires_at_1": "",
    }
    text = admin_client.post(f"{base}add/", form).content.decode()
    assert ApiKey.objects.count() == 1
    assert base in links(text)
    assert all(link.startswith("/intern/staff/") for link in links(text) - {"/"})


@pytest.fixture(params=["", "/below"])
def prefix(request):
    """What a web server puts in front of each path."""
    before = get_script_prefix()
    set_script_prefix(f"{request.param}/")
    yield request.param
    set_script_prefix(before)


def test_below_a_prefix_and_in_a_language_each_link_keeps_both(admin_client, settings, prefix):
    settings.ROOT_URLCONF = "tests.support.urls_i18n"
    for number in range(60):
        store(f"netflix:{number % 3}", user_id="ada", ago=number * datetime.timedelta(hours=1))
    list(rollups.run())
    base = f"{prefix}/en/admin/jay_sessions/trackingsession/"
    for page in ("", "dashboard/"):
        text = admin_client.get(f"/en/admin/jay_sessions/trackingsession/{page}").content.decode()
        found = {link for link in links(text) if "jay_sessions/tracking" in link}
        assert base in found
        assert all(link.startswith(base) for link in found)


@pytest.mark.parametrize(("codenames", "offered"), [([], False), (["add_apikey"], True)])
def test_the_welcome_leads_to_a_new_key_who_may_create_one(codenames, offered):
    text = operator("view_trackingsession", *codenames).get(f"{LIST}dashboard/").content.decode()
    assert "No tracking sessions yet" in text
    assert ("/admin/jay_sessions/apikey/add/" in text) == offered


@pytest.mark.parametrize("codenames", [["view_trackingsession"], ["view_trackingsession", "view_apikey"]])
def test_who_may_only_look_sees_whole_pages(issue_key, codenames):
    issue_key("partner")
    row = store("netflix:1", user_id="ada", api_key=ApiKey.objects.get())
    client = operator(*codenames)
    for address in (LIST, f"{LIST}dashboard/", f"{LIST}{row.pk}/change/", f"{LIST}{row.pk}/history/"):
        text = client.get(address).content.decode()
        assert 'type="submit" class="button jay-button" form="jay-export' not in text
        assert "/add/" not in text
    expected = 200 if "view_apikey" in codenames else 403
    assert client.get(f"/admin/jay_sessions/apikey/{ApiKey.objects.get().pk}/change/").status_code == expected


@pytest.mark.parametrize("language", ["de", "ar", "he", "fa", "fr", "hi"])
def test_numbers_and_links_are_right_in_every_language(admin_client, settings, issue_key, language):
    settings.LANGUAGE_CODE, settings.USE_THOUSAND_SEPARATOR = language, True
    issue_key("partner")
    ApiKey.objects.update(id=1234567)
    row = store("netflix:1", user_id="ada", api_key_id=1234567)
    begun = timezone.now() - datetime.timedelta(days=2)
    TrackingSession.objects.bulk_create(
        TrackingSession(session_id=uuid7(begun, number), started_at=begun, playout_id="zdf:1", source="here")
        for number in range(1234)
    )
    list(rollups.run())
    for address in (LIST, f"{LIST}dashboard/", f"{LIST}{row.pk}/change/", "/admin/jay_sessions/apikey/"):
        text = admin_client.get(address).content.decode()
        assert not re.search(r'(?:href|action|name|id)="[^"]*\b1[.,\u202f\u00a0\s]234', text)
        shapes = re.findall(r' (?:x|y|width|height|cx|cy|x1|x2|y1|y2|r)="([^"]*)"', text)
        assert [shape for shape in shapes if not re.fullmatch(r"-?\d+(\.\d+)?(%|rem)?", shape)] == []
        paths = re.findall(r' d="([^"]*)"', text)
        assert [drawn for drawn in paths if re.search(r"[^-MLHVZzmlhvcCsSqQtTaA0-9. ,]", drawn)] == []
    assert admin_client.get("/admin/jay_sessions/apikey/1234567/change/").status_code == 200


ENDS = [
    datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, datetime.UTC),
    datetime.datetime(1, 1, 1, tzinfo=datetime.UTC),
]


@pytest.mark.parametrize("moment", ENDS, ids=str)
@pytest.mark.parametrize(
    "zone", ["UTC", "Asia/Kathmandu", "Pacific/Kiritimati", "America/Los_Angeles", "Etc/GMT+12"]
)
def test_times_at_the_ends_of_the_calendar_are_shown(admin_client, settings, issue_key, zone, moment):
    settings.TIME_ZONE = zone
    issue_key("partner")
    ApiKey.objects.update(expires_at=moment, created_at=moment, revoked_at=moment, last_used_at=moment)
    row = store("netflix:1", api_key=ApiKey.objects.get())
    TrackingSession.objects.update(started_at=moment)
    end(moment, row)
    change = f"/admin/jay_sessions/apikey/{ApiKey.objects.get().pk}/change/"
    last = re.compile("31, 9999|9999-12-31|Jan. 1, 0?0?0?1|0001-01-01")
    for address in (LIST, f"{LIST}{row.pk}/change/", "/admin/jay_sessions/apikey/", change):
        assert last.search(admin_client.get(address).content.decode()), address
    viewer = operator("view_apikey")
    assert viewer.get(change).status_code == 200


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/Los_Angeles"])
def test_a_key_that_expires_at_the_end_of_the_calendar_can_be_renamed(
    admin_client, settings, issue_key, zone
):
    settings.TIME_ZONE = zone
    issue_key("partner")
    ApiKey.objects.update(expires_at=ENDS[0])
    change = f"/admin/jay_sessions/apikey/{ApiKey.objects.get().pk}/change/"
    shown = admin_client.get(change).content.decode()
    form = dict(re.findall(r'name="(expires_at_[01])" value="([^"]*)"', shown))
    assert len(form) == 2
    form |= {"name": "renamed", "scopes": ["tracking"], "playouts": "*"}
    assert admin_client.post(change, form).status_code == 302
    assert ApiKey.objects.values_list("name", "expires_at").get() == ("renamed", ENDS[0])


@pytest.mark.parametrize("day", ["9999-12-31", "9999-12-30", "0001-01-01"])
@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/Los_Angeles"])
def test_a_key_cannot_be_made_to_expire_where_some_zones_have_no_time(admin_client, settings, zone, day):
    settings.TIME_ZONE = zone
    form = {
        "name": "x",
        "scopes": ["tracking"],
        "playouts": "*",
        "expires_at_0": day,
        "expires_at_1": "12:00",
    }
    response = admin_client.post("/admin/jay_sessions/apikey/add/", form)
    assert set(response.context["adminform"].form.errors) == {"expires_at"}
    assert not ApiKey.objects.exists()


def deleted_by_its_page(client, row):
    client.post(f"{LIST}{row.pk}/delete/", {"post": "yes"})


def deleted_by_a_tick(client, row):
    client.post(LIST, {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"})


@pytest.mark.parametrize("delete", [deleted_by_its_page, deleted_by_a_tick])
def test_the_log_has_no_session_id_as_a_whole(admin_client, delete):
    row = store("netflix:1", user_id="ada")
    delete(admin_client, row)
    assert not TrackingSession.objects.exists()
    [line] = LogEntry.objects.all()
    assert line.is_deletion()
    assert (line.object_repr, line.object_id) == (f"{str(row.pk)[:8]}…{str(row.pk)[-8:]}", None)
    assert str(row.pk) not in str(vars(line))
    assert admin_client.get("/admin/").status_code == 200


@pytest.mark.parametrize("length", [1, 2, 7, 8, 15, 16, 40])
def test_the_log_has_at_most_half_of_what_is_looked_up_or_searched_for(admin_client, setting, length):
    setting(ZEPHR={"BASE_URL": "http://127.0.0.1:1", "ACCESS_KEY": "a", "SECRET_KEY": "s"})
    secret = "abcdefghij" * 4
    admin_client.post(f"{LIST}zephr/", {"session_id": secret[:length]})
    b"".join(admin_client.post(f"{LIST}export/?q={secret[:length]}", {"format": "csv"}).streaming_content)
    shown = secret[: min(8, length // 2)]
    assert {(line.object_repr, line.change_message) for line in LogEntry.objects.all()} == {
        (f"Zephr session {shown}…", "Looked up in Zephr."),
        ("tracking sessions", f"Exported as CSV: search={shown}…."),
    }


def test_an_operator_with_a_zone_of_their_own_sees_the_list(admin_client):
    store("netflix:1")
    with timezone.override("Asia/Kathmandu"):
        assert listed(admin_client) == {"netflix:1"}


def test_nobody_presets_what_a_new_key_may_do_by_a_link(admin_client):
    query = "?name=evil&scopes=zephr&playouts=*&expires_at=bogus"
    text = admin_client.get(f"/admin/jay_sessions/apikey/add/{query}").content.decode()
    assert "evil" not in text
    assert User.objects.count() == 1
    assert Permission.objects.exists()
    assert Client().get(LIST).status_code == 302
