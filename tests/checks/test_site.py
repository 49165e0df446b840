import os

import pytest

from jay_sessions.checks import proxies

from .test_settings import found


def test_a_site_without_time_zones_is_refused(settings):
    settings.USE_TZ = False
    assert "USE_TZ = True" in found()["E020"].hint


def test_a_key_of_user_ids_that_goes_with_secret_key_is_warned_of_before_production(settings):
    settings.JAY_SESSIONS = {"USER_ID_STORAGE": "hashed"}
    assert "W108" not in found()
    assert "USER_ID_KEYS" in found(deploy=True)["W108"].hint
    for harmless in (
        {"USER_ID_STORAGE": "hashed", "USER_ID_KEYS": ["x" * 32]},
        {"USER_ID_STORAGE": "none"},
        {},
    ):
        settings.JAY_SESSIONS = harmless
        assert "W108" not in found(deploy=True)


def test_a_deployment_that_takes_unsigned_tokens_is_warned_of(settings):
    settings.JAY_SESSIONS = {"REQUIRE_SIGNED_TOKENS": False}
    assert "W103" not in found()
    assert "REQUIRE_SIGNED_TOKENS" in found(deploy=True)["W103"].hint
    settings.JAY_SESSIONS = {"REQUIRE_SIGNED_TOKENS": True}
    assert "W103" not in found(deploy=True)


@pytest.mark.parametrize(
    ("number", "values"),
    [
        ("W103", {"REQUIRE_SIGNED_TOKENS": False}),
        ("W108", {"USER_ID_STORAGE": "hashed"}),
        ("W109", {}),
        ("W110", {}),
        ("W111", {"THROTTLE_RATES": {"anonymous": "60/min"}}),
    ],
)
def test_the_line_at_the_end_of_a_hint_can_be_pasted_and_helps(settings, monkeypatch, number, values):
    settings.JAY_SESSIONS = values
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    monkeypatch.setenv("USER_ID_KEY", "x" * 32)
    written = {"os": os}
    exec(found(deploy=True)[number].hint.rpartition("rite: ")[2], written)
    settings.JAY_SESSIONS = {**values, **written["JAY_SESSIONS"]}
    assert number not in found(deploy=True)


@pytest.mark.parametrize(("place", "warned"), [("http://zephr.local", True), ("https://zephr.local", False)])
def test_a_zephr_in_the_clear_is_warned_of_where_it_is_deployed(settings, place, warned):
    settings.JAY_SESSIONS = {"ZEPHR": {"BASE_URL": place, "ACCESS_KEY": "access", "SECRET_KEY": "secret"}}
    assert "W105" not in found()
    assert ("W105" in found(deploy=True)) is warned


def test_a_deployment_whose_sessions_never_expire_is_warned_of(settings):
    settings.JAY_SESSIONS = {}
    assert not {"W109", "W110"} & set(found())
    assert "SESSION_LIFETIME" in found(deploy=True)["W109"].hint
    settings.JAY_SESSIONS = {"SESSION_LIFETIME": 60}
    assert "W109" not in found(deploy=True)


def test_a_deployment_that_keeps_ids_of_users_for_ever_is_warned_of(settings):
    settings.JAY_SESSIONS = {"SESSION_LIFETIME": 60}
    hint = found(deploy=True)["W110"].hint
    assert "RETENTION" in hint
    assert "jay_purge_sessions" in hint
    for harmless in ({"SESSION_LIFETIME": 60, "RETENTION": 60}, {"USER_ID_STORAGE": "none"}):
        settings.JAY_SESSIONS = harmless
        assert "W110" not in found(deploy=True)


RATES = {"anonymous": "60/min"}


@pytest.mark.parametrize(
    ("values", "header", "warned"),
    [
        ({"THROTTLE_RATES": RATES}, ("HTTP_X_FORWARDED_PROTO", "https"), True),
        ({"THROTTLE_RATES": RATES, "NUM_PROXIES": 1}, ("HTTP_X_FORWARDED_PROTO", "https"), False),
        ({"THROTTLE_RATES": {"key": "60/min"}}, ("HTTP_X_FORWARDED_PROTO", "https"), False),
        ({"THROTTLE_RATES": RATES}, None, False),
        ({}, ("HTTP_X_FORWARDED_PROTO", "https"), False),
    ],
)
def test_a_proxy_whose_clients_are_throttled_as_one_is_warned_of(settings, values, header, warned):
    settings.JAY_SESSIONS, settings.SECURE_PROXY_SSL_HEADER = values, header
    assert "W111" not in found()
    assert ("W111" in found(deploy=True)) is warned
    if warned:
        assert '"NUM_PROXIES": 1' in found(deploy=True)["W111"].hint


@pytest.mark.parametrize(
    ("values", "application", "warned"),
    [
        ({"THROTTLE_RATES": RATES, "NUM_PROXIES": 1}, "project.wsgi.application", True),
        ({"THROTTLE_RATES": RATES, "NUM_PROXIES": 1}, None, False),
        ({"THROTTLE_RATES": RATES}, "project.wsgi.application", False),
        ({"THROTTLE_RATES": {"key": "60/min"}, "NUM_PROXIES": 1}, "project.wsgi.application", False),
    ],
)
def test_a_server_that_takes_underscores_for_hyphens_is_warned_of(settings, values, application, warned):
    # Granian is installed: the example site is served with it.
    settings.JAY_SESSIONS, settings.WSGI_APPLICATION = values, application
    assert "W116" not in found()
    assert ("W116" in found(deploy=True)) is warned
    if warned:
        assert "nginx" in found(deploy=True)["W116"].hint


@pytest.mark.parametrize(
    ("module", "warned"),
    [("granian", True), ("uwsgidecorators", True), ("pyuwsgi", True), ("gunicorn", False)],
)
def test_each_server_that_takes_underscores_for_hyphens_is_known_by_what_it_installs(
    settings, monkeypatch, module, warned
):
    # As on a site that has this server and no other.
    monkeypatch.setattr(proxies, "find_spec", lambda name: name == module or None)
    settings.JAY_SESSIONS = {"THROTTLE_RATES": RATES, "NUM_PROXIES": 1}
    assert ("W116" in found(deploy=True)) is warned


@pytest.mark.parametrize(
    ("urls", "warned"),
    [
        ("tests.support.lane_urls_without", True),
        ("tests.support.lane_urls_prefix", False),
        ("project.urls", False),
        (None, False),
    ],
)
def test_urls_without_the_endpoints_are_warned_of(settings, urls, warned):
    settings.ROOT_URLCONF = urls
    messages = found()
    assert ("W112" in messages) is warned
    if warned:
        assert 'include("jay_sessions.urls")' in messages["W112"].hint


def cors(settings, **values):
    usual = {
        "CORS_ALLOWED_ORIGINS": ["https://www.example.com"],
        "CORS_ALLOW_HEADERS": ["X-API-Key", "X-JAY-Tracking"],
        "CORS_EXPOSE_HEADERS": ["X-JAY-TRACKING"],
    }
    for name, value in {**usual, **values}.items():
        setattr(settings, name, value)
    return found().get("W113")


def test_cors_that_lets_key_and_token_through_is_fine(settings):
    assert cors(settings) is None


@pytest.mark.parametrize(
    ("name", "value", "missing"),
    [
        ("CORS_ALLOW_HEADERS", ["accept", "x-jay-tracking"], "x-api-key"),
        ("CORS_ALLOW_HEADERS", ["x-api-key"], "x-jay-tracking"),
        ("CORS_EXPOSE_HEADERS", [], "x-jay-tracking"),
    ],
)
def test_cors_that_keeps_a_header_back_is_warned_of(settings, name, value, missing):
    message = cors(settings, **{name: value})
    assert f"{name} lacks {missing}" in message.msg
    written = {}
    exec(message.hint.removeprefix("Write: "), written)
    assert missing in (header.lower() for header in written[name])
    assert cors(settings, **{name: value, "CORS_ALLOWED_ORIGINS": []}) is None
    everybody = {"CORS_ALLOW_ALL_ORIGINS": True, "CORS_ALLOWED_ORIGINS": []}
    assert cors(settings, **{name: value}, **everybody) is not None


def test_a_site_without_cors_is_not_asked_for_it(settings):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "corsheaders"]
    assert cors(settings, CORS_EXPOSE_HEADERS=[]) is None
