"""What Django mails to ADMINS of an error: all but keys, tokens, ids of users and of Zephr's sessions."""

import logging

import django
import pytest
from django.core import checks, mail
from django.test import Client, RequestFactory
from django.utils.log import AdminEmailHandler
from django.views.debug import (
    ExceptionReporter,
    SafeExceptionReporterFilter,
    get_default_exception_reporter_filter,
)

from jay_sessions.models import Scope
from jay_sessions.reporting import SecretsFilter, SecretsReporter

from .conftest import COOKIE, PATH, token_of

# Of Django 6.1: the suite has no mailer, as no version before has that setting.
pytestmark = pytest.mark.filterwarnings("ignore:Django 2028 will not have a default mailer")

USER, ZEPHR_ID = "somebody-4711", "zephr-session-of-somebody"
DJANGOS = {
    "DEFAULT_EXCEPTION_REPORTER_FILTER": "django.views.debug.SafeExceptionReporterFilter",
    "DEFAULT_EXCEPTION_REPORTER": "django.views.debug.ExceptionReporter",
}


class Site:
    """Where things fail, and who hears of it by mail."""

    def __init__(self, key, token):
        self.secrets = (key, token, token[:60], USER, ZEPHR_ID)
        self.client = Client(
            headers={"X-API-Key": key, "X-JAY-TRACKING": token, "Referer": f"http://x/?user_id={USER}"},
            raise_request_exception=False,
        )
        self.client.cookies.load({COOKIE: token, "blaize_session": ZEPHR_ID})

    def mails(self, method, path, **options):
        """Send a request that fails; return the text and the page of each mail that follows."""
        mail.outbox = []
        handler = AdminEmailHandler(include_html=True)  # it reads the settings
        logger = logging.getLogger("django.request")
        logger.addHandler(handler)
        assert getattr(self.client, method)(path, **options).status_code == 500
        logger.removeHandler(handler)
        return [part for one in mail.outbox for part in (one.subject, one.body, one.alternatives[0][0])]


@pytest.fixture
def site(issue_key, settings, setting):
    settings.ROOT_URLCONF = "tests.support.sentry_urls"
    # Until Django 6.0, with names.
    settings.ADMINS = ["admin@example.com"] if django.VERSION >= (6, 0) else [("", "admin@example.com")]
    key = issue_key(scopes=Scope.values)
    token = token_of(Client(headers={"X-API-Key": key}).post(f"{PATH}?user_id={USER}"))
    setting(PROVIDER_RESOLVER=fail)
    get_default_exception_reporter_filter.cache_clear()
    yield Site(key, token)
    get_default_exception_reporter_filter.cache_clear()


def fail(playout_id):
    raise ZeroDivisionError(playout_id)


FAILING = {
    "a view of the site": ("get", f"/fail/?user_id={USER}&x=1", {}),
    "what the database refuses": ("get", f"/refuse/?next=/v3/sessions/{ZEPHR_ID}", {}),
    "POST, query": ("post", f"{PATH}?user_id={USER}", {}),
    "POST, form": ("post", PATH, {"data": {"user_id": USER}}),
    "POST, JSON": ("post", PATH, {"data": {"user_id": USER}, "content_type": "application/json"}),
}


@pytest.mark.parametrize("name", FAILING)
def test_no_mail_holds_a_secret(site, name):
    method, path, options = FAILING[name]
    parts = site.mails(method, path, **options)
    assert len(parts) == 3
    for part in parts[1:]:
        assert "Traceback" in part
        assert path.partition("?")[0] in part
    for secret in site.secrets:
        for part in parts:
            assert secret not in part, part[max(part.find(secret) - 300, 0) :][:400]


@pytest.mark.parametrize("name", [name for name in FAILING if "POST" in name])
def test_of_the_endpoints_none_holds_a_key_or_token_whatever_the_site_has(site, settings, name):
    for setting, path in DJANGOS.items():
        setattr(settings, setting, path)
    method, path, options = FAILING[name]
    text = "".join(site.mails(method, path, **options))
    key, token, beginning, *_ = site.secrets
    assert "Traceback" in text
    assert [secret for secret in (key, token, beginning, ZEPHR_ID) if secret in text] == []


@pytest.mark.parametrize("name", ["a view of the site", "what the database refuses"])
def test_with_djangos_own_it_does(site, settings, name):
    for setting, path in DJANGOS.items():
        setattr(settings, setting, path)
    method, path, options = FAILING[name]
    text = "".join(site.mails(method, path, **options))
    assert USER in text
    assert site.secrets[1] in text


def test_a_site_that_debugs_sees_everything(settings):
    settings.DEBUG = True
    request = RequestFactory().get(f"/fail/?user_id={USER}")
    try:
        fail("p")
    except ZeroDivisionError as error:
        report = SecretsReporter(request, type(error), error, error.__traceback__)
    assert USER in report.get_traceback_text()
    assert USER in report.get_traceback_html()


def fail_again(error):
    raise LookupError("again") from error


def test_without_a_request_there_is_a_report():
    try:
        fail(f"user_id={USER}")
    except ZeroDivisionError as error:
        try:
            fail_again(error)
        except LookupError as caused:
            report = SecretsReporter(None, type(caused), caused, caused.__traceback__)
    text = report.get_traceback_text()
    assert "LookupError" in text
    assert USER not in text
    assert "LookupError" in SecretsReporter(None, LookupError, LookupError(), None).get_traceback_text()


class Own(SecretsFilter):
    pass


NAMES = tuple(DJANGOS)
OURS = {NAMES[0]: "jay_sessions.reporting.SecretsFilter", NAMES[1]: "jay_sessions.reporting.SecretsReporter"}


# Django's own checks look into an SQLite, once in each process.
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("lines", "missing"),
    [
        (OURS, []),
        ({**OURS, NAMES[0]: f"{__name__}.Own"}, []),
        (DJANGOS, list(OURS)),
        ({**OURS, NAMES[1]: DJANGOS[NAMES[1]]}, [NAMES[1]]),
        ({**OURS, NAMES[0]: "no.such.module"}, [NAMES[0]]),
        ({**OURS, NAMES[0]: "jay_sessions.reporting.scrub"}, [NAMES[0]]),
    ],
)
def test_a_site_without_them_is_told_which_line_to_write(settings, lines, missing):
    for setting, path in lines.items():
        setattr(settings, setting, path)
    found = [
        one for one in checks.run_checks(include_deployment_checks=True) if one.id == "jay_sessions.W128"
    ]
    assert len(found) == bool(missing)
    for one in found:
        assert one.hint == "Write: " + "; ".join(f'{name} = "{OURS[name]}"' for name in missing)
    assert not [one for one in checks.run_checks() if one.id == "jay_sessions.W128"]


def test_they_are_djangos_with_more():
    assert issubclass(SecretsFilter, SafeExceptionReporterFilter)
    assert issubclass(SecretsReporter, ExceptionReporter)


@pytest.mark.parametrize("method", ["get", "post", "delete", "put"])
@pytest.mark.parametrize(
    "path",
    [
        f"/v3/sessions/{ZEPHR_ID}/",
        f"/v3/sessions/{ZEPHR_ID}/{USER}",
        f"/v3/sessions/a/{{id}}/{ZEPHR_ID}",
        f"/v3/users/{USER}",
        f"/v3/users/{USER}/sessions",
        f"/v4/sessions/site/{ZEPHR_ID}",
    ],
)
def test_no_line_about_a_path_that_is_not_there_holds_an_id(client, caplog, method, path):
    assert getattr(client, method)(path).status_code == 404
    [line] = [record.getMessage() for record in caplog.records if record.name == "django.request"]
    assert line.startswith(f"Not Found: {path[:10]}")
    for secret in (ZEPHR_ID, USER):
        assert secret not in caplog.text


def test_lines_about_other_paths_stay(client, caplog):
    assert client.get("/playouts/netflix-de:s01e01/tracking/nothing").status_code == 404
    assert client.get("/elsewhere/100%25/").status_code == 404
    assert [record.getMessage() for record in caplog.records if record.name == "django.request"] == [
        "Not Found: /playouts/netflix-de:s01e01/tracking/nothing",
        "Not Found: /elsewhere/100%/",
    ]
