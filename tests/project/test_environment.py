"""Each setting has a variable of the example site."""

import datetime

import pytest
from environs import EnvError

from jay_sessions import conf
from jay_sessions.core.user_ids import Storage
from project.environment import from_environment, variables

ZEPHR = {
    "ZEPHR_BASE_URL": "https://zephr.example",
    "ZEPHR_ACCESS_KEY": "access",
    "ZEPHR_SECRET_KEY": "secret",
}


def read(monkeypatch, **environment):
    """What the site's settings are then."""
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    values, problems = conf.parse(from_environment())
    assert not problems
    return values


def test_without_a_variable_nothing_is_set():
    assert from_environment() == {"ZEPHR": {}}


@pytest.mark.parametrize("kind", [conf.Settings, conf.ZephrSettings])
def test_each_setting_has_a_variable_and_an_empty_one_counts_as_not_set(kind, monkeypatch):
    assert {variable.setting for variable in variables(kind)} == conf.declared(kind).keys() - {"ZEPHR"}
    for variable in variables(kind):
        monkeypatch.setenv(variable.name, "")
    assert from_environment() == {"ZEPHR": {}}


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("JAY_REQUIRE_SIGNED_TOKENS", "1", "require_signed_tokens", True),
        ("JAY_GLOBAL_PRIVACY_CONTROL", "0", "global_privacy_control", False),
        ("JAY_SESSION_LIFETIME", "2592000", "session_lifetime", datetime.timedelta(days=30)),
        ("JAY_USER_ID_STORAGE", "hashed", "user_id_storage", Storage.HASHED),
        ("JAY_USER_ID_KEYS", f"{'x' * 32}, {'y' * 32}", "user_id_keys", ["x" * 32, "y" * 32]),
        (
            "JAY_IGNORED_USER_IDS",
            '["null", "[object Object]"]',
            "ignored_user_ids",
            ("null", "[object Object]"),
        ),
        ("JAY_IGNORED_USER_IDS", "[]", "ignored_user_ids", ()),
        ("JAY_SOURCE", "our.api", "source", "our.api"),
        ("JAY_PROVIDER_NAMES", '{"a*": "ours", "b*": null}', "provider_names", {"a*": "ours", "b*": None}),
        (
            "JAY_PROVIDER_RESOLVER",
            "posixpath.basename",
            "provider_resolver",
            __import__("posixpath").basename,
        ),
        ("JAY_COOKIE_DOMAIN", "example.com", "cookie_domain", "example.com"),
        ("JAY_COOKIE_SAMESITE", "None", "cookie_samesite", "None"),
        ("JAY_NUM_PROXIES", "2", "num_proxies", 2),
        ("JAY_DATABASE_TIMEOUT", "1.5", "database_timeout", 1.5),
    ],
    ids=lambda value: getattr(value, "__name__", ascii(value)[:30]),
)
def test_a_variable_is_read_by_the_type_of_its_setting(monkeypatch, variable, text, name, value):
    assert read(monkeypatch, **{variable: text})[name] == value


def test_each_rate_has_a_variable(monkeypatch):
    assert read(monkeypatch, JAY_THROTTLE_KEY="100/min")["throttle_rates"].keys() == {"key"}
    rates = read(monkeypatch, JAY_THROTTLE_ANONYMOUS="5/s")["throttle_rates"]
    assert (rates["key"].limit, rates["key"].period) == (100, 60)
    assert (rates["anonymous"].limit, rates["anonymous"].period) == (5, 1)


def test_zephr_is_configured_by_variables_of_its_own(monkeypatch):
    zephr = read(monkeypatch, **ZEPHR, ZEPHR_LINK_SESSIONS="1", ZEPHR_TIMEOUT="3")["zephr"]
    assert (zephr.base_url, zephr.access_key, zephr.secret_key) == (
        "https://zephr.example",
        "access",
        "secret",
    )
    assert (zephr.link_sessions, zephr.timeout, zephr.max_waiting) == (True, 3.0, 2)


def test_zephr_is_found_by_its_tenant_too(monkeypatch):
    monkeypatch.setenv("ZEPHR_TENANT", "acme")
    zephr = read(monkeypatch, ZEPHR_ACCESS_KEY="access", ZEPHR_SECRET_KEY="secret")["zephr"]
    assert zephr.base_url == "https://acme.api.zephr.com"


def test_without_its_address_there_is_no_zephr(monkeypatch):
    assert read(monkeypatch, ZEPHR_ACCESS_KEY="access", ZEPHR_LINK_SESSIONS="1")["zephr"] is None


@pytest.mark.parametrize("missing", ["ZEPHR_ACCESS_KEY", "ZEPHR_SECRET_KEY"])
def test_without_a_key_pair_the_site_does_not_start(monkeypatch, missing):
    for name in ZEPHR.keys() - {missing}:
        monkeypatch.setenv(name, ZEPHR[name])
    with pytest.raises(EnvError, match=missing):
        from_environment()


@pytest.mark.parametrize(
    ("variable", "text"),
    [("JAY_RETENTION", "a month"), ("JAY_PIN_WORKERS", "perhaps"), ("JAY_PROVIDER_NAMES", "{")],
)
def test_a_text_that_cannot_be_read_is_refused_by_the_name_of_its_variable(monkeypatch, variable, text):
    with pytest.raises(EnvError, match=variable):
        read(monkeypatch, **{variable: text})
