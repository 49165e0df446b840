import datetime

import pytest
from django.core import checks

ZEPHR = {"TENANT": "acme", "ACCESS_KEY": "access", "SECRET_KEY": "zephr-secret"}
URL = {"ACCESS_KEY": "access", "SECRET_KEY": "zephr-secret"}


def found(*, deploy: bool = False) -> dict[str, checks.CheckMessage]:
    """What the checks that the app has registered say, by id."""
    registered = checks.registry.registry.get_checks(deploy)
    ours = [check for check in registered if check.__module__.startswith("jay_sessions.")]
    messages = [message for check in ours for message in check(app_configs=None, databases=None)]
    assert all(message.id.startswith("jay_sessions.") for message in messages)
    return {message.id.removeprefix("jay_sessions."): message for message in messages}


def test_the_example_site_has_nothing_to_object_to():
    assert found() == {}


def rows(number, name, /, **values):
    return [pytest.param(number, name, value, id=f"{name}-{kind}") for kind, value in values.items()]


TEXTS = {"none": None, "number": 5, "empty": "", "blank": "  ", "long": "a" * 256, "control": "a\nb"}
SECONDS = {"text": "8", "zero": 0, "negative": -1, "nan": float("nan"), "inf": float("inf"), "true": True}
WHOLE = {"text": "8", "negative": -1, "float": 1.5, "none": None, "true": True}


@pytest.mark.parametrize(
    ("number", "name", "value"),
    [
        *rows("E002", "REQUIRE_SIGNED_TOKENS", none=None, number=1, text="True"),
        *rows("E003", "SESSION_LIFETIME", **SECONDS, half=0.5, day=datetime.date(2025, 9, 2), ages=10**10),
        *rows(
            "E003",
            "SESSION_LIFETIME",
            no_time=datetime.timedelta(),
            before=datetime.timedelta(-1),
            longest=datetime.timedelta.max,
        ),
        *rows("E004", "SOURCE", **TEXTS, surrogate="\ud800"),
        *rows("E005", "PROVIDER_NAMES", none=None, list=["nflx-*"], text="netflix"),
        *rows("E005", "PROVIDER_NAMES", key={5: "netflix"}, no_key={"": "netflix"}, no_name={"a*": ""}),
        *rows("E005", "PROVIDER_NAMES", name={"a*": 5}, long={"a*": "a" * 256}, control={"a*": "a\0"}),
        *rows("E006", "PROVIDER_RESOLVER", number=5, dict={}, not_callable="os.sep", word="netflix"),
        *rows("E006", "PROVIDER_RESOLVER", empty="", module="no.such.module", attribute="os.path.nothing"),
        *rows("E006", "PROVIDER_RESOLVER", relative=".playouts.provider_of", dots="..", dot="os."),
        *rows("E007", "COOKIE_NAME", none=None, empty="", space="a b", equals="a=b", semicolon="a;b"),
        *rows("E007", "COOKIE_NAME", umlaut="ü", line_feed="tracking\n", number=5, long="a" * 4096),
        *rows("E008", "COOKIE_SAMESITE", none=None, lower="lax", empty="", word="Loose", true=True, list=[]),
        *rows("E039", "COOKIE_PARTITIONED", none=None, number=1, text="True", with_lax=True),
        *rows("E009", "COOKIE_DOMAIN", empty="", space="example .com", semicolon="a.com; Secure", number=5),
        *rows("E009", "COOKIE_DOMAIN", url="https://example.com", line_feed="example.com\n", dots="a..b"),
        *rows("E032", "RETENTION", **SECONDS, half=0.5, no_lifetime=3600),
        *rows("E045", "PARTITIONS", upper="MONTH", true=True, list=[], empty="", number=30, year="year"),
        *rows("E033", "USER_ID_STORAGE", none=None, upper="PLAIN", true=True, list=[], empty=""),
        *rows(
            "E034",
            "USER_ID_KEYS",
            text="zephr-secret" * 9,
            short=["zephr-secret"],
            empty=[],
            bytes=[b"a" * 32],
        ),
        *rows("E034", "USER_ID_KEYS", dict={"zephr-secret" * 9: 1}, one_short=["zephr-secret" * 9, ""]),
        *rows("E035", "GLOBAL_PRIVACY_CONTROL", none=None, number=1, text="True"),
        *rows("E038", "IGNORED_USER_IDS", none=None, text="undefined", number=[5], blank=[" "], dict={}),
        *rows("E010", "ZEPHR", text="acme", list=["acme"], number=5, false=False, empty_text=""),
        *rows("E010", "ZEPHR", no_place=URL, two_places={**ZEPHR, "BASE_URL": "https://acme.example"}),
        *rows("E010", "ZEPHR", no_access={"TENANT": "acme", "SECRET_KEY": "zephr-secret"}),
        *rows("E010", "ZEPHR", no_secret={"TENANT": "acme", "ACCESS_KEY": "access"}),
    ],
)
def test_a_bad_value_is_named_with_its_id_and_a_hint(settings, number, name, value):
    settings.JAY_SESSIONS = {name: value}
    messages = found()
    assert list(messages) == [number]
    assert isinstance(messages[number], checks.Error)
    assert name in messages[number].msg
    assert name in messages[number].hint
    assert "zephr-secret" not in str(messages)


@pytest.mark.parametrize(
    ("number", "name", "value"),
    [
        *rows("E011", "TENANT", none=None, empty="", dot="a.b", slash="a/b", at="a@b", line_feed="acme\n"),
        *rows("E012", "BASE_URL", none=None, empty="", relative="/zephr", no_scheme="acme.api.zephr.com"),
        *rows("E012", "BASE_URL", ftp="ftp://acme.example", no_host="https://", bad_port="https://a:b"),
        *rows("E012", "BASE_URL", far_port="https://a:99999", bad_ip="https://[::1", query="https://a/?b=c"),
        *rows("E012", "BASE_URL", fragment="https://a/#b", login="https://user:zephr-secret@a"),
        *rows("E012", "BASE_URL", bare_query="https://a?", bare_fragment="https://a#", space="https://a b"),
        *rows("E013", "ACCESS_KEY", none=None, empty="", colon="a:b", space="a b", umlaut="ü", number=5),
        *rows("E013", "ACCESS_KEY", line_feed="access\n"),
        *rows("E014", "SECRET_KEY", none=None, empty="", blank=" ", number=5, bytes=b"zephr-secret"),
        *rows("E015", "TIMEOUT", **SECONDS, none=None),
        *rows("E016", "CONNECT_TIMEOUT", **SECONDS, none=None),
        *rows("E017", "CACHE_TIMEOUT", **WHOLE),
        *rows("E018", "NOT_FOUND_CACHE_TIMEOUT", **WHOLE),
        *rows("E023", "LINK_SESSIONS", none=None, number=1, text="True"),
        *rows("E024", "SESSION_COOKIE_NAME", none=None, empty="", space="a b", equals="a=b"),
        *rows("E025", "MAX_ATTEMPTS", **WHOLE, zero=0, eleven=11),
        *rows("E044", "MAX_WAITING", **WHOLE, zero=0),
        *rows("E026", "STALE_IF_ERROR", **WHOLE),
        *rows("E027", "CIRCUIT_FAILURES", **WHOLE),
        *rows("E028", "CIRCUIT_TIMEOUT", **SECONDS, none=None),
        *rows(
            "E040", "PROXY", empty="", number=5, no_scheme="proxy:3128", no_host="http://", path="http://a/b"
        ),
        *rows(
            "E040",
            "PROXY",
            socks="socks5://user:zephr-secret@proxy:1080",
            ftp="ftp://proxy",
            port="http://a:0",
        ),
        *rows(
            "E040",
            "PROXY",
            space="http://u:zephr-secret @proxy",
            word="http://u:zephr-secret@proxy:zephr-secret",
        ),
        *rows(
            "E041",
            "CA_BUNDLE",
            empty="",
            blank=" ",
            number=5,
            bytes=b"/etc/ca.pem",
            missing="/nowhere/ca.pem",
        ),
        *rows("E041", "CA_BUNDLE", no_certificate=__file__, null="a\0b", long="x" * 5000),
    ],
)
def test_a_bad_value_of_zephr_is_named_with_its_id_and_a_hint(settings, number, name, value):
    whole = {**(URL if name == "BASE_URL" else ZEPHR), name: value}
    settings.JAY_SESSIONS = {"ZEPHR": whole}
    messages = found()
    assert list(messages) == [number]
    assert isinstance(messages[number], checks.Error)
    assert name in messages[number].msg
    assert name in messages[number].hint
    assert "zephr-secret" not in str(messages)


@pytest.mark.parametrize("value", [None, [], "REQUIRE_SIGNED_TOKENS", 5], ids=ascii)
def test_a_setting_that_is_no_dict_is_named(settings, value):
    settings.JAY_SESSIONS = value
    messages = found()
    assert list(messages) == ["E001"]
    assert "JAY_SESSIONS" in messages["E001"].msg
    assert "JAY_SESSIONS" in messages["E001"].hint


@pytest.mark.parametrize(
    ("value", "name", "meant"),
    [
        ({"SESION_LIFETIME": 60}, "SESION_LIFETIME", "SESSION_LIFETIME"),
        ({"cookie_domain": "example.com"}, "cookie_domain", "COOKIE_DOMAIN"),
        ({"REQUIRE_SIGNED_TOKEN": True}, "REQUIRE_SIGNED_TOKEN", "REQUIRE_SIGNED_TOKENS"),
        ({"ZEPHR": {**ZEPHR, "ACCES_KEY": "a"}}, "ACCES_KEY", "ACCESS_KEY"),
        ({"ZEPHR": {**ZEPHR, "timeout": 5}}, "timeout", "TIMEOUT"),
    ],
    ids=ascii,
)
def test_an_unknown_name_is_refused_with_a_suggestion(settings, value, name, meant):
    settings.JAY_SESSIONS = value
    messages = found()
    assert list(messages) == ["E019"]
    assert name in messages["E019"].msg
    assert meant in messages["E019"].hint


@pytest.mark.parametrize("name", ["zzz", 5, None], ids=ascii)
def test_a_name_that_resembles_none_is_refused_with_the_list_of_all(settings, name):
    settings.JAY_SESSIONS = {name: 1}
    messages = found()
    assert list(messages) == ["E019"]
    assert "SESSION_LIFETIME" in messages["E019"].hint


@pytest.mark.parametrize("name", ["TIMEOUT", "SECRET_KEY", "BASE_URL"])
def test_a_name_of_zephrs_that_stands_outside_of_it_is_refused(settings, name):
    settings.JAY_SESSIONS = {name: 8}
    (message,) = found().values()
    assert name in message.msg
    assert "ZEPHR" in message.hint


def test_everything_that_is_wrong_is_named(settings):
    settings.JAY_SESSIONS = {"SOURCE": 5, "NO_SUCH": 1, "ZEPHR": {**ZEPHR, "TIMEOUT": 0}}
    assert set(found()) == {"E004", "E019", "E015"}


def test_a_host_cookie_with_a_domain_is_refused(settings):
    settings.JAY_SESSIONS = {"COOKIE_NAME": "__Host-jay_tracking", "COOKIE_DOMAIN": "example.com"}
    assert "COOKIE_DOMAIN" in found()["E009"].msg


@pytest.mark.parametrize("retention", [59.9, datetime.timedelta(seconds=59)])
def test_a_retention_that_is_shorter_than_the_lifetime_is_refused(settings, retention):
    settings.JAY_SESSIONS = {"SESSION_LIFETIME": 60, "RETENTION": retention}
    messages = found()
    assert list(messages) == ["E032"]
    assert "SESSION_LIFETIME" in messages["E032"].hint
