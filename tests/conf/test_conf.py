import dataclasses
import datetime
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from jay_sessions import conf
from jay_sessions.core import tokens
from jay_sessions.core.spans import Length
from jay_sessions.core.user_ids import Storage, hashing_key

DAY = datetime.timedelta(days=1)
ZEPHR = {"TENANT": "acme", "ACCESS_KEY": "access", "SECRET_KEY": "zephr-secret"}


def a_resolver(playout_id):
    return playout_id


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("REQUIRE_SIGNED_TOKENS", True, True),
        ("REQUIRE_SIGNED_TOKENS", False, False),
        ("SESSION_LIFETIME", None, None),
        ("SESSION_LIFETIME", 1, datetime.timedelta(seconds=1)),
        ("SESSION_LIFETIME", 90.5, datetime.timedelta(seconds=90.5)),
        ("SESSION_LIFETIME", datetime.timedelta(days=30), datetime.timedelta(days=30)),
        ("RETENTION", None, None),
        ("PARTITIONS", None, None),
        ("PARTITIONS", "week", Length.WEEK),
        ("IGNORED_USER_IDS", ["guest"], ("guest",)),
        ("IGNORED_USER_IDS", [], ()),
        ("GLOBAL_PRIVACY_CONTROL", True, True),
        ("SOURCE", "jay.api.playout.2.0.0", "jay.api.playout.2.0.0"),
        ("SOURCE", "ü" * 200, "ü" * 200),
        ("PROVIDER_NAMES", {}, {}),
        (
            "PROVIDER_NAMES",
            {"nflx-*": "netflix", "test-*": None},
            {"nflx-*": "netflix", "test-*": None},
        ),
        ("PROVIDER_RESOLVER", None, None),
        ("PROVIDER_RESOLVER", a_resolver, a_resolver),
        ("PROVIDER_RESOLVER", "posixpath.basename", __import__("posixpath").basename),
        ("COOKIE_NAME", "tracking", "tracking"),
        ("COOKIE_NAME", "__Host-tracking", "__Host-tracking"),
        ("COOKIE_SAMESITE", "Lax", "Lax"),
        ("COOKIE_SAMESITE", "Strict", "Strict"),
        ("COOKIE_SAMESITE", "None", "None"),
        ("COOKIE_PARTITIONED", False, False),
        ("COOKIE_DOMAIN", None, None),
        ("COOKIE_DOMAIN", "example.com", "example.com"),
        ("COOKIE_DOMAIN", ".example.com", ".example.com"),
        ("COOKIE_DOMAIN", "localhost", "localhost"),
        ("ZEPHR", {}, None),
        ("ZEPHR", None, None),
    ],
    ids=lambda value: getattr(value, "__name__", ascii(value)[:40]),
)
def test_a_good_value_is_taken(settings, name, raw, value):
    settings.JAY_SESSIONS = {name: raw}
    assert getattr(conf.get(), name.lower()) == value


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("TIMEOUT", 3, 3.0),
        ("TIMEOUT", 0.5, 0.5),
        ("CONNECT_TIMEOUT", 1, 1.0),
        ("CACHE_TIMEOUT", 0, 0),
        ("CACHE_TIMEOUT", 60, 60),
        ("NOT_FOUND_CACHE_TIMEOUT", 0, 0),
        ("NOT_FOUND_CACHE_TIMEOUT", 10, 10),
        ("LINK_SESSIONS", True, True),
        ("SESSION_COOKIE_NAME", "zephr", "zephr"),
        ("MAX_ATTEMPTS", 1, 1),
        ("MAX_ATTEMPTS", 10, 10),
        ("STALE_IF_ERROR", 0, 0),
        ("STALE_IF_ERROR", 86400, 86400),
        ("CIRCUIT_FAILURES", 0, 0),
        ("CIRCUIT_FAILURES", 5, 5),
        ("CIRCUIT_TIMEOUT", 0.5, 0.5),
        ("ACCESS_KEY", "a-b_c/d=", "a-b_c/d="),
        ("PROXY", None, None),
        ("PROXY", "http://user:p%40ss@proxy:3128", "http://user:p%40ss@proxy:3128"),
        ("PROXY", "https://proxy", "https://proxy"),
        ("CA_BUNDLE", None, None),
        ("CA_BUNDLE", "/etc/ssl/our-ca.pem", "/etc/ssl/our-ca.pem"),
        ("CA_BUNDLE", Path("/etc/ssl/our-ca.pem"), "/etc/ssl/our-ca.pem"),
        ("SECRET_KEY", "s p a c e", "s p a c e"),
    ],
)
def test_a_good_value_of_zephr_is_taken(settings, name, raw, value):
    settings.JAY_SESSIONS = {"ZEPHR": {**ZEPHR, name: raw}}
    assert getattr(conf.get().zephr, name.lower()) == value


@pytest.mark.parametrize(("lifetime", "retention"), [(60, 60), (60, 61), (0.5 + 1, 1.5), (60, DAY)])
def test_sessions_are_retained_for_their_lifetime_or_longer(settings, lifetime, retention):
    settings.JAY_SESSIONS = {"SESSION_LIFETIME": lifetime, "RETENTION": retention}
    assert conf.get().retention >= conf.get().session_lifetime


@pytest.mark.parametrize("storage", Storage)
def test_user_ids_are_stored_as_the_setting_says(settings, storage):
    settings.JAY_SESSIONS = {"USER_ID_STORAGE": str(storage)}
    assert conf.get().user_ids.storage is storage


def test_user_ids_are_hashed_with_keys_of_their_own_or_of_secret_key(settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["old"]
    settings.JAY_SESSIONS = {"USER_ID_KEYS": None}
    assert conf.get().user_ids.keys == (hashing_key("new"), hashing_key("old"))
    settings.JAY_SESSIONS = {"USER_ID_KEYS": ("x" * 32, "y" * 32)}
    assert conf.get().user_ids.keys == (hashing_key("x" * 32), hashing_key("y" * 32))


@pytest.mark.parametrize(
    ("place", "url"),
    [
        ({"TENANT": "acme"}, "https://acme.api.zephr.com"),
        ({"TENANT": "acme-eu-1"}, "https://acme-eu-1.api.zephr.com"),
        ({"BASE_URL": "https://acme.api.zephr.com"}, "https://acme.api.zephr.com"),
        ({"BASE_URL": "https://acme.api.zephr.com/"}, "https://acme.api.zephr.com"),
        ({"BASE_URL": "http://127.0.0.1:8001"}, "http://127.0.0.1:8001"),
        ({"BASE_URL": "http://[::1]:8001/zephr/"}, "http://[::1]:8001/zephr"),
    ],
    ids=lambda value: ascii(value)[:50],
)
def test_zephr_is_found_by_tenant_or_by_url(settings, place, url):
    settings.JAY_SESSIONS = {"ZEPHR": {"ACCESS_KEY": "access", "SECRET_KEY": "secret", **place}}
    assert conf.get().zephr.base_url == url


def test_without_the_setting_everything_has_its_default(settings):
    del settings.JAY_SESSIONS
    defaults = conf.get()
    assert defaults.cookie_name == "__Secure-jay_tracking"
    assert defaults.cookie_samesite == "Lax"
    assert defaults.cookie_domain is None
    assert defaults.session_lifetime is None
    assert defaults.require_signed_tokens is False
    assert defaults.ignored_user_ids == ("undefined", "null", "NaN", "None", "[object Object]")
    assert defaults.zephr is None


def test_zephr_waits_and_caches_as_the_contract_says_unless_told_otherwise(settings):
    settings.JAY_SESSIONS = {"ZEPHR": ZEPHR}
    zephr = conf.get().zephr
    assert (zephr.timeout, zephr.connect_timeout) == (8, 2)
    assert (zephr.cache_timeout, zephr.not_found_cache_timeout, zephr.stale_if_error) == (30, 5, 0)
    assert (zephr.link_sessions, zephr.session_cookie_name) == (False, "blaize_session")
    assert (zephr.max_attempts, zephr.circuit_failures, zephr.circuit_timeout) == (3, 10, 10)


def test_overriding_the_setting_takes_effect_at_once_and_ends(settings):
    settings.JAY_SESSIONS = {"SOURCE": "before"}
    assert conf.get().source == "before"
    with override_settings(JAY_SESSIONS={"SOURCE": "within"}):
        assert conf.get().source == "within"
    assert conf.get().source == "before"


def test_the_signing_keys_follow_the_sites_secrets(settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["old", b"older"]
    assert conf.get().signing_keys == tuple(map(tokens.signing_key, ("new", "old", "older")))
    settings.SECRET_KEY = "newest"
    assert conf.get().signing_keys[0] == tokens.signing_key("newest")
    settings.SECRET_KEY_FALLBACKS = []
    assert conf.get().signing_keys == (tokens.signing_key("newest"),)


def test_the_settings_are_read_once():
    assert conf.get() is conf.get()


def test_the_settings_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        conf.get().source = "elsewhere"


def test_no_secret_is_in_the_representation_of_the_settings(settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the-site-secret", ["the-old-secret"]
    settings.JAY_SESSIONS = {"ZEPHR": {**ZEPHR, "ACCESS_KEY": "zephr-access"}}
    shown = f"{conf.get()!r} {conf.get()} {conf.get().zephr!r} {conf.get().zephr}"
    for secret in ("the-site-secret", "the-old-secret", "zephr-secret", "zephr-access"):
        assert secret not in shown
    for key in conf.get().signing_keys:
        assert repr(key) not in shown


def test_everything_that_is_wrong_is_named_at_once_and_no_secret_with_it(settings):
    settings.JAY_SESSIONS = {
        "SOURCE": 5,
        "COOKIE_SAMESITE": "lax",
        "SESION_LIFETIME": 60,
        "ZEPHR": {**ZEPHR, "SECRET_KEY": ["zephr-secret"], "TIMEOUT": "zephr-secret"},
    }
    with pytest.raises(ImproperlyConfigured) as caught:
        conf.get()
    for name in ("JAY_SESSIONS", "SOURCE", "COOKIE_SAMESITE", "SESION_LIFETIME", "SECRET_KEY", "TIMEOUT"):
        assert name in str(caught.value)
    assert "zephr-secret" not in str(caught.value)
