"""A site behind a proxy and a private certificate authority: settings, endpoint, log, checks, commands."""

import io

import pytest
from django.core.management import CommandError, call_command

from jay_sessions import conf
from jay_sessions.zephr import gateway
from project.zephr_demo_sessions import DEMO_SESSIONS

from ..checks.test_settings import found
from ..conftest import error_of
from ..support.servers import example_site, manage
from ..support.zephr_proxy import EgressProxy
from ..support.zephr_tls import STRANGE, TRUSTED, server_context
from ..support.zephr_wire import ACCESS_KEY, KNOWN, SECRET_KEY

pytest_plugins = ["tests.support.zephr_fixtures", "tests.support.zephr_gateway_fixtures"]

PATH = f"/v3/sessions/{KNOWN}"
LOGIN, QUOTED = "egress-user:p@ss:w/rd", "egress-user:p%40ss:w%2Frd"
SECRETS = ("p@ss:w/rd", "p%40ss", "ZWdyZXNzLXVzZXI6")


@pytest.fixture
def proxy():
    with EgressProxy(LOGIN) as running:
        yield running


def url_of(proxy, login=f"{QUOTED}@"):
    return proxy.url.replace("://", f"://{login}")


def ping():
    """What the command says, whether it fails or not."""
    out = io.StringIO()
    try:
        call_command("jay_ping_zephr", stdout=out, stderr=out, no_color=True)
    except CommandError as error:
        return f"{out.getvalue()}{error}"
    return out.getvalue()


def test_the_settings_lead_through_the_proxy(api, secure, bundle, proxy, set_zephr):
    set_zephr(secure, PROXY=url_of(proxy), CA_BUNDLE=bundle)
    assert api.get(PATH).json() == DEMO_SESSIONS[KNOWN]
    assert gateway.get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]
    assert [line.split(" ")[0] for line, _ in proxy.seen] == ["CONNECT"]
    assert found() == {}


def test_a_look_up_that_has_less_time_goes_through_the_proxy_too(secure, bundle, proxy, set_zephr):
    set_zephr(secure, PROXY=url_of(proxy), CA_BUNDLE=bundle, CACHE_TIMEOUT=0)
    upstream = gateway._process(conf.get().zephr).upstream
    assert upstream.get_session(KNOWN, seconds=4).raw == DEMO_SESSIONS[KNOWN]
    assert len(proxy.seen) == 1


def test_the_environment_leads_through_the_proxy(secure, bundle, proxy, set_zephr, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", url_of(proxy))
    monkeypatch.setenv("SSL_CERT_FILE", bundle)
    set_zephr(secure)
    assert gateway.get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]
    assert len(proxy.seen) == 1
    assert found() == {}


def test_a_refusal_of_the_proxy_is_a_502_and_the_log_names_it(api, secure, proxy, set_zephr, caplog):
    caplog.set_level("DEBUG")
    set_zephr(secure, PROXY=url_of(proxy, "egress-user:wrong-p%40ss@"))
    response = api.get(PATH)
    assert error_of(response) == (502, 503, "ZEPHR_UNAVAILABLE")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "jay_sessions.zephr"]
    assert "The proxy before Zephr fails, or refuses: it answered 407 Proxy Authentication Required" in line
    assert "wrong-p" not in caplog.text + response.content.decode()


def test_a_proxy_that_hangs_is_a_504(api, secure, proxy, set_zephr):
    proxy.fault = lambda connection, stopping: stopping.wait()
    set_zephr(secure, PROXY=url_of(proxy), TIMEOUT=0.4)
    assert error_of(api.get(PATH)) == (504, 503, "ZEPHR_TIMEOUT")


def test_a_bundle_that_has_gone_stops_zephr_alone(api, secure, set_zephr, caplog):
    set_zephr(secure, CA_BUNDLE="/nowhere/our-ca.pem")
    assert error_of(api.get(PATH)) == (502, 503, "ZEPHR_UNAVAILABLE")
    assert "/nowhere/our-ca.pem" in caplog.text
    assert api.post("/playouts/x/tracking/session").status_code == 200


def test_no_secret_is_in_the_settings_their_errors_and_what_the_checks_say(settings, set_zephr):
    set_zephr("https://acme.invalid", PROXY=f"http://{QUOTED}@proxy")
    assert not [secret for secret in SECRETS if secret in repr(conf.get())]
    set_zephr("https://acme.invalid", PROXY=f"socks5://{QUOTED}@proxy")
    said = str(found())
    with pytest.raises(conf.ImproperlyConfigured) as caught:
        conf.get()
    assert not [secret for secret in SECRETS if secret in said + str(caught.value)]
    assert "SOCKS is not supported" in said


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (
            "ALL_PROXY",
            f"socks5://{QUOTED}@proxy",
            "ALL_PROXY of the environment must be an http or https proxy",
        ),
        ("HTTPS_PROXY", f"http://{QUOTED}@", "HTTPS_PROXY of the environment must be the URL"),
        ("CURL_CA_BUNDLE", "/nowhere", "CURL_CA_BUNDLE of the environment names a file that does not exist"),
        ("SSL_CERT_FILE", __file__, "SSL_CERT_FILE of the environment names a file without a certificate"),
    ],
)
def test_a_variable_with_which_zephr_cannot_be_reached_is_warned_of(
    name, value, words, set_zephr, monkeypatch
):
    monkeypatch.setenv(name, value)
    set_zephr("https://acme.invalid")
    (number,) = messages = found()
    assert number == "W120"
    assert words in messages[number].msg
    assert not [secret for secret in SECRETS if secret in str(messages)]


@pytest.mark.parametrize("zephr", [{}, {"TENANT": "a", "ACCESS_KEY": "b", "SECRET_KEY": "c", "TIMEOUT": 0}])
def test_without_a_zephr_the_environment_is_not_looked_at(zephr, settings, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy")
    settings.JAY_SESSIONS = {"ZEPHR": zephr}
    assert "W120" not in found()


# jay_ping_zephr.


def test_what_leads_to_zephr_is_told_with_who_says_so(secure, bundle, proxy, set_zephr, monkeypatch):
    set_zephr(secure, PROXY=url_of(proxy), CA_BUNDLE=bundle)
    by_settings = ping()
    assert f"Proxy: {proxy.url}, with a login, by the setting PROXY\n" in by_settings
    assert f"Trusted: {bundle}, by the setting CA_BUNDLE\n" in by_settings
    assert "Key pair: accepted" in by_settings
    monkeypatch.setenv("https_proxy", url_of(proxy))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    set_zephr(secure)
    by_environment = ping()
    assert f"Proxy: {proxy.url}, with a login, by https_proxy of the environment\n" in by_environment
    assert f"Trusted: {bundle}, by REQUESTS_CA_BUNDLE of the environment\n" in by_environment
    assert "Key pair: accepted" in by_environment
    assert not [secret for secret in SECRETS if secret in by_settings + by_environment]


def test_a_proxy_that_refuses_is_named_with_what_to_do(secure, proxy, set_zephr):
    set_zephr(secure, PROXY=proxy.url)
    said = ping()
    assert "it answered 407 Proxy Authentication Required. Check the host, port and login in PROXY" in said
    assert "without a login" in said


def test_a_proxy_of_the_environment_that_cannot_be_used_is_named(secure, set_zephr, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", f"socks5://{QUOTED}@proxy")
    set_zephr(secure)
    said = ping()
    assert (
        "ALL_PROXY of the environment must be an http or https proxy: SOCKS is not supported. Check" in said
    )
    assert "p%40ss" not in said


@pytest.mark.parametrize("certificate", [TRUSTED, STRANGE])
def test_a_certificate_that_is_not_trusted_leads_to_the_setting(certificate, zephr, secure, set_zephr):
    context = server_context(certificate)
    zephr.welcome = lambda connection: context.wrap_socket(connection, server_side=True)
    set_zephr(secure)
    said = ping()
    assert "certificate is not trusted" in said
    assert "set CA_BUNDLE to the authority's certificate" in said


@pytest.mark.parametrize("content", [None, "nonsense"])
def test_a_bundle_that_cannot_be_used_is_named_with_what_to_do(content, secure, set_zephr, tmp_path):
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    set_zephr(secure, CA_BUNDLE=str(path))
    said = ping()
    assert f"Trusted: {path}, by the setting CA_BUNDLE" in said
    assert "CA_BUNDLE names a file" in said


@pytest.mark.parametrize("names", [("ZEPHR_PROXY", "ZEPHR_CA_BUNDLE"), ("HTTPS_PROXY", "REQUESTS_CA_BUNDLE")])
def test_the_example_site_takes_both_from_its_environment(names, secure, bundle, proxy, tmp_path):
    proxied = dict(zip(names, (url_of(proxy), bundle), strict=True))
    zephr = {"ZEPHR_BASE_URL": secure, "ZEPHR_ACCESS_KEY": ACCESS_KEY, "ZEPHR_SECRET_KEY": SECRET_KEY}
    site = {**example_site(f"sqlite:///{tmp_path / 'site.sqlite3'}"), **zephr}
    said = manage({**site, **proxied}, "jay_ping_zephr", "--session", KNOWN)
    assert "Session: found" in said
    assert len(proxy.seen) == 3
