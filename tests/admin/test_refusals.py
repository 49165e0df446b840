"""What an operator's browser, or somebody in its place, can ask of the admin: nothing wrong is ignored."""

import uuid
from urllib.parse import urlencode

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.utils import timezone

from jay_sessions.models import ApiKey, TrackingSession

from .test_export import EXPORT, take
from .test_sessions import LIST, store

pytestmark = pytest.mark.django_db

KEYS = "/admin/jay_sessions/apikey/"
DASHBOARD = f"{LIST}dashboard/"
LOOK_UP = f"{LIST}zephr/"

LONG = "x" * 300
NUL = "\0"
ODD = [
    NUL,
    f"a{NUL}b",
    LONG,
    "bogus",
    "-1",
    "9" * 5000,
    "0001-01-01",
    "9999-12-31",
    "\x7f",
    "\ud800",
    "'",
    "%",
]

WRONG = [
    *[
        (name, value)
        for name in ("state", "user", "period")
        for value in (NUL, LONG, "bogus", "Active", "active\0")
    ],
    *[
        (name, value)
        for name in ("from", "to")
        for value in (NUL, LONG, "xx", "0001-01-01", "1970-12-31", "9999-12-31", "2026-02-30", "-1")
    ],
    *[(name, value) for name in ("provider_name", "source") for value in (NUL, LONG, "net\0flix", "\x7f")],
    *[(name, value) for name in ("before", "after") for value in (NUL, "", LONG, "bogus", "-1")],
    ("q", NUL),
    ("q", "net\0flix"),
    ("nonsense", "1"),
    (NUL, "1"),
]
REPEATED = [
    "state=active&state=ended",
    "state=bogus&state=active",
    "user=with&user=without",
    "period=hour&period=30-days",
    "from=2026-01-01&from=2000-01-01",
    "to=2026-01-01&to=2026-01-02",
    "provider_name=zdf&provider_name=netflix",
    "source=here&source=there",
    "q=netflix&q=*",
]
QUERIES = [
    *[pytest.param(urlencode({name: value}), name, id=f"{name}={value[:12]!r}") for name, value in WRONG],
    *[pytest.param(query, query.partition("=")[0], id=query) for query in REPEATED],
]


def encoded(**fields):
    """A query string or form, also of what is no Unicode."""
    pairs = [
        (name, value)
        for name, text in fields.items()
        for value in ([text] if isinstance(text, str) else text)
    ]
    return urlencode([(name, value.encode("utf-8", "surrogatepass")) for name, value in pairs])


def send(client, path, **fields):
    return client.post(path, encoded(**fields), content_type="application/x-www-form-urlencoded", follow=True)


@pytest.fixture
def zephr(setting):
    setting(ZEPHR={"BASE_URL": "http://127.0.0.1:1", "ACCESS_KEY": "a", "SECRET_KEY": "s"})


@pytest.fixture
def sessions():
    return [store("netflix:1", user_id="ada"), store("zdf:1", ended_at=timezone.now())]


@pytest.mark.parametrize(("query", "name"), QUERIES)
def test_the_list_refuses_what_is_wrong_and_names_it(admin_client, sessions, query, name):
    response = admin_client.get(f"{LIST}?{query}")
    assert (response.status_code, response["Location"]) == (302, f"{LIST}?e=1")
    [message] = [str(message) for message in get_messages(response.wsgi_request)]
    assert repr(name) in message
    page = admin_client.get(response["Location"])
    assert page.status_code == 200
    assert len(page.context["cl"].result_list) == 2


@pytest.mark.parametrize(("query", "name"), QUERIES)
def test_an_export_of_what_is_wrong_is_refused_and_named(admin_client, sessions, query, name):
    response = take(admin_client, f"?{query}")
    assert response.status_code == 400
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert repr(name) in response.content.decode()
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(("query", "name"), QUERIES)
@pytest.mark.parametrize("answers", [{}, {"post": "yes", "until": "2999-01-01T00:00:00+00:00"}])
def test_nothing_is_deleted_by_what_is_wrong(admin_client, sessions, query, name, answers):
    ticked = {"_selected_action": "all", "action": "delete_selected", "select_across": "1"}
    response = admin_client.post(f"{LIST}?{query}", {**ticked, **answers})
    assert (response.status_code, response["Location"]) == (302, f"{LIST}?e=1")
    assert TrackingSession.objects.count() == 2


@pytest.mark.parametrize("query", ["?e=1&state=bogus", "?e=1&from=xx"])
def test_what_is_wrong_once_more_is_no_fault_of_the_database(admin_client, sessions, query):
    response = admin_client.get(LIST + query)
    assert (response.status_code, response["Location"]) == (302, f"{LIST}?e=1")


@pytest.mark.parametrize("name", ["state", "user", "period", "provider_name", "source", "from", "to", "q"])
def test_a_field_that_is_left_empty_asks_for_nothing(admin_client, sessions, name):
    for query in (f"?{name}=", f"?{name}=&{name}="):
        assert len(admin_client.get(LIST + query).context["cl"].result_list) == 2


def test_a_field_that_is_sent_twice_with_one_value_is_taken_once(admin_client, sessions):
    rows = admin_client.get(f"{LIST}?state=ended&state=ended").context["cl"].result_list
    assert [row.playout_id for row in rows] == ["zdf:1"]


@pytest.mark.parametrize(
    "query",
    [
        urlencode({name: value})
        for name, value in [
            ("period", NUL),
            ("period", "zzz"),
            ("first", NUL),
            ("first", "0001-01-01"),
            ("first", "xx"),
            ("last", "9999-12-31"),
            ("playout", NUL),
            ("playout", LONG),
            ("provider", NUL),
            ("provider", LONG),
            ("provder", "netflix"),
        ]
    ]
    + ["provider=zdf&provider=netflix", "period=7-days&period=30-days", "first=2026-01-01&first=2026-01-02"],
)
def test_the_dashboard_shows_no_numbers_for_what_is_wrong_but_says_so(admin_client, sessions, query):
    page = admin_client.get(f"{DASHBOARD}?{query}")
    assert page.status_code == 200
    assert page.context["form"].errors
    assert "cards" not in page.context
    assert 'class="errorlist"' in page.content.decode()


OF_LISTS = "q o p all e _facets _popup _to_field pk pk__in pk__regex nonsense"
PAGES = {
    LIST: f"""{OF_LISTS} state user period provider_name source from to before after zephr_device
        session_id session_id__lt user_id__regex zephr_session__state api_key__digest""",
    KEYS: f"""{OF_LISTS} id id__in name name__regex expires_at expires_at__gte created_at__year
        revoked_at__isnull digest__startswith scopes__contains scopes__bogus prefix__in""",
    DASHBOARD: "period first last playout provider nonsense",
    LOOK_UP: "session_id nonsense",
    f"{KEYS}add/": "_popup _to_field _changelist_filters name expires_at",
}


@pytest.mark.parametrize(("path", "name"), [(path, name) for path in PAGES for name in PAGES[path].split()])
@pytest.mark.usefixtures("zephr", "sessions", "key")
def test_no_parameter_of_any_page_is_a_server_error(admin_client, path, name):
    for value in ODD:
        assert admin_client.get(f"{path}?{encoded(**{name: value})}", follow=True).status_code in (
            200,
            400,
        ), value


@pytest.mark.parametrize("name", ["_popup", "_to_field", "_changelist_filters", "nonsense"])
def test_no_parameter_of_a_rows_pages_is_a_server_error(admin_client, sessions, issue_key, name):
    issue_key("partner")
    rows = [(LIST, sessions[0].pk), (KEYS, ApiKey.objects.get().pk)]
    for path in [f"{base}{pk}/{page}/" for base, pk in rows for page in ("change", "history", "delete")]:
        for value in ODD:
            assert admin_client.get(f"{path}?{encoded(**{name: value})}", follow=True).status_code in (
                200,
                400,
            ), value


@pytest.mark.parametrize("field", ["action", "index", "select_across", "_selected_action", "until", "format"])
@pytest.mark.parametrize(("base", "nobody"), [(LIST, str(uuid.UUID(int=0))), (KEYS, "0")])
@pytest.mark.usefixtures("sessions", "key")
def test_no_field_of_an_action_is_a_server_error_or_deletes(admin_client, base, nobody, field):
    for value in [*ODD, "", nobody]:
        form = {"action": "delete_selected", "_selected_action": nobody, "post": "yes", field: value}
        assert send(admin_client, base, **form).status_code in (200, 400), value
        assert (TrackingSession.objects.count(), ApiKey.objects.count()) == (2, 1), value


@pytest.mark.parametrize("value", ["yes", "true", "on", "01", " 1", ["1", "0"], ["0", "1"]])
def test_what_only_looks_like_all_is_neither_all_nor_nothing(admin_client, sessions, value):
    ticked = {"_selected_action": [str(sessions[0].pk)], "action": "delete_selected", "post": "yes"}
    page = admin_client.post(LIST, {**ticked, "select_across": value}, follow=True)
    assert "The selection is not valid. Nothing was done." in page.content.decode()
    assert TrackingSession.objects.count() == 2


@pytest.mark.parametrize("page", ["change", "history", "delete"])
@pytest.mark.parametrize("base", [LIST, KEYS])
def test_a_page_of_a_row_that_is_none_leads_back(admin_client, base, page):
    for pk in ("%00", "x", "-1", "0", "9" * 30, LONG, "_00", "%ED%A0%80"):
        assert admin_client.get(f"{base}{pk}/{page}/", follow=True).status_code in (200, 404), pk


@pytest.mark.parametrize("field", ["name", "scopes", "playouts", "origins", "expires_at_0", "expires_at_1"])
def test_no_field_of_the_key_form_is_a_server_error(admin_client, settings, field):
    settings.TIME_ZONE = "America/Los_Angeles"
    for value in ODD:
        form = {"name": "partner", "scopes": ["tracking"], "playouts": "*", "expires_at_0": "2999-01-01"}
        form |= {"expires_at_1": "23:59:59", field: value}
        assert send(admin_client, f"{KEYS}add/", **form).status_code == 200, value
        assert admin_client.get(KEYS).status_code == 200, value


@pytest.mark.usefixtures("zephr")
def test_no_id_to_look_up_is_a_server_error(admin_client):
    for value in ODD:
        answer = send(admin_client, LOOK_UP, session_id=value)
        assert (answer.status_code, bool(answer.context["form"].errors)) == (200, True), value


@pytest.mark.parametrize("form", ["", "xls", "\0", LONG])
def test_a_format_that_is_none_is_named(admin_client, form):
    response = admin_client.post(EXPORT, {"format": form})
    assert (response.status_code, "'format'" in response.content.decode()) == (400, True)
