"""Zephr behind a proxy and behind a private certificate authority, both real, however they are named."""

import contextlib
import functools
import socket
import time

import pytest

from jay_sessions.exceptions import ZephrBadResponse, ZephrTimeout, ZephrUnavailable
from jay_sessions.zephr import egress
from project.zephr_demo_sessions import DEMO_SESSIONS

from ..core.test_proxy_url import NO_PROXIES
from ..support.zephr_proxy import EgressProxy
from ..support.zephr_tls import STRANGE, TRUSTED, server_context
from ..support.zephr_wire import KNOWN, answer, dripping, everything_said, sending

pytest_plugins = ["tests.support.zephr_fixtures"]

LOGIN = "egress-user:p@ss:w/rd"
QUOTED = "egress-user:p%40ss:w%2Frd"
SECRETS = ("p@ss:w/rd", "p%40ss", "ZWdyZXNzLXVzZXI6")
"""The password as it is, as it stands in a URL, and as it is sent."""


@pytest.fixture
def proxy():
    with EgressProxy() as running:
        yield running


@pytest.fixture
def private(connect, secure, bundle):
    """Make clients of that Zephr that trust its certificate."""
    return functools.partial(connect, secure, ca_bundle=bundle)


def with_login(proxy, login=QUOTED):
    return proxy.url.replace("://", f"://{login}@")


def is_connect(proxy, base_url):
    target = base_url.partition("://")[2]
    return [line for line, _ in proxy.seen] == [f"CONNECT {target} {proxy.seen[0][0].rpartition(' ')[2]}"]


# Through a proxy.


def test_https_goes_through_a_tunnel_that_the_proxy_cannot_look_into(proxy, secure, private, zephr):
    client = private(proxy=proxy.url)
    assert client.get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]
    assert is_connect(proxy, secure)
    assert "authorization" not in proxy.seen[0][1]
    assert zephr.requests[0].path == f"/v3/sessions/{KNOWN}"


def test_a_tunnel_serves_the_next_call_too(proxy, private):
    client = private(proxy=proxy.url)
    for _ in range(3):
        client.get_session(KNOWN)
    assert len(proxy.seen) == 1


def test_http_is_forwarded_and_still_signed_as_zephr_sees_it(proxy, zephr, connect):
    assert connect(f"{zephr.base_url}/", proxy=proxy.url).get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]
    assert proxy.seen[0][0] == f"GET {zephr.base_url}/v3/sessions/{KNOWN} HTTP/1.1"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_login_reaches_the_proxy_and_not_zephr(scheme, zephr, secure, bundle, connect):
    if scheme == "http":
        zephr.welcome = None
    base_url = secure if scheme == "https" else zephr.base_url
    with EgressProxy(LOGIN) as proxy:
        client = connect(base_url, proxy=with_login(proxy), ca_bundle=bundle)
        assert client.get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]
    assert "Proxy-Authorization" not in zephr.requests[0].headers
    assert zephr.requests[0].headers["Authorization"].startswith("ZEPHR-HMAC-SHA256")


# Said by older versions of any http that goes through a proxy's TLS, whatever they have verified.
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request:urllib3.exceptions.InsecureRequestWarning")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_may_itself_speak_tls(scheme, zephr, secure, bundle, connect):
    if scheme == "http":
        zephr.welcome = None
    base_url = secure if scheme == "https" else zephr.base_url
    with EgressProxy(LOGIN, certificate=TRUSTED) as proxy:
        client = connect(base_url, proxy=with_login(proxy), ca_bundle=bundle)
        assert client.get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]
        assert len(proxy.seen) == 1


def test_a_client_that_is_closed_ends_its_tunnels(proxy, secure, private):
    client = private(proxy=proxy.url)
    client.get_session(KNOWN)
    client.close()
    (manager,) = client._session.get_adapter(secure).proxy_manager.values()
    assert len(manager.pools) == 0


# A proxy that fails.


@contextlib.contextmanager
def failing(connect, base_url, proxy_url, expected, **options):
    attempts = []
    with pytest.raises(expected) as caught:
        connect(base_url, proxy=proxy_url, observe=attempts.append, **options).get_session(KNOWN)
    yield caught.value, attempts


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("login", ["", "egress-user:wrong-p%40ss@"])
def test_a_proxy_that_asks_for_a_login_is_named_with_its_refusal(scheme, login, zephr, connect, caplog):
    caplog.set_level("DEBUG")
    base_url = zephr.base_url.replace("http:", f"{scheme}:")
    with EgressProxy(LOGIN) as proxy:
        url = proxy.url.replace("://", f"://{login}")
        with failing(connect, base_url, url, ZephrUnavailable) as (error, attempts):
            reason = "The proxy before Zephr fails, or refuses: it answered 407 Proxy Authentication Required"
            assert [attempt.reason for attempt in attempts] == [reason]
            assert attempts[0].status is None
            said = everything_said(error, caplog)
    assert "wrong-p" not in said
    assert not zephr.requests


@pytest.mark.parametrize(
    ("status", "tries"), [("403 Forbidden", 1), ("502 Bad Gateway", 3), ("299 Odd", 1), ("204 No Content", 1)]
)
def test_what_a_proxy_answers_instead_of_a_tunnel_is_told_by_number(status, tries, proxy, secure, connect):
    proxy.fault = lambda connection, stopping: connection.sendall(f"HTTP/1.1 {status}\r\n\r\n".encode())
    with failing(connect, secure, proxy.url, ZephrUnavailable) as (_, attempts):
        assert len(attempts) == tries
        assert f"it answered {status[:3]}" in attempts[0].reason
        assert "Odd" not in attempts[0].reason


def test_a_proxy_that_is_down_is_tried_again_and_named(secure, connect, zephr):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with failing(connect, secure, url, ZephrUnavailable) as (_, attempts):
            reason = "The proxy before Zephr fails, or refuses: Connection refused"
            assert [attempt.reason for attempt in attempts] == [reason] * 3
    assert not zephr.requests


@pytest.mark.parametrize(
    "words",
    [b"", b"HTTP/1.1 200 O", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10**6],
    ids=["nothing", "half a line", "nonsense", "too many headers"],
)
def test_a_proxy_that_breaks_off_or_talks_nonsense_is_unavailable(words, proxy, secure, connect):
    proxy.fault = lambda connection, stopping: connection.sendall(words)
    with failing(connect, secure, proxy.url, ZephrUnavailable, max_attempts=1) as (_, attempts):
        assert attempts[0].reason.startswith("The proxy before Zephr fails, or refuses: ")


def dripping_proxy(data, drop):
    def fault(connection, stopping):
        connection.sendall(data)
        while not stopping.wait(0.05):
            if drop:
                connection.sendall(drop)

    return fault


def dripping_in_the_tunnel(connection, stopping):
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    connection.recv(1)  # now TLS has begun
    dripping_proxy(b"\x16\x03\x03\x10\x00", b"\x02")(connection, stopping)


SLOW_PROXIES = {
    "hangs": dripping_proxy(b"", b""),
    "drips its status line": dripping_proxy(b"HTTP/1.1 200 O", b"K"),
    "drips its headers": dripping_proxy(b"HTTP/1.1 200 OK\r\nA: b", b"c"),
    "tunnels to nobody": dripping_proxy(b"HTTP/1.1 200 OK\r\n\r\n", b""),
    "drips inside of the tunnel": dripping_in_the_tunnel,
}


@pytest.mark.parametrize("certificate", ["", TRUSTED], ids=["http proxy", "https proxy"])
@pytest.mark.parametrize("limit", [{"timeout": 0.5}, {"timeout": 20, "connect_timeout": 0.5}], ids=str)
@pytest.mark.parametrize("fault", SLOW_PROXIES)
def test_a_proxy_that_is_slow_is_given_up_in_time(fault, limit, certificate, private):
    with EgressProxy(certificate=certificate) as proxy:
        proxy.fault = SLOW_PROXIES[fault]
        start = time.monotonic()
        with pytest.raises(ZephrTimeout) as caught:
            private(proxy=proxy.url, **limit).get_session(KNOWN)
        # Generous, for slow machines.
        assert 0.4 < time.monotonic() - start < 4
    beyond = fault in ("tunnels to nobody", "drips inside of the tunnel")
    assert str(caught.value).startswith("Zephr" if beyond else "The proxy")


@pytest.mark.parametrize("certificate", ["", TRUSTED], ids=["http proxy", "https proxy"])
def test_an_answer_that_drips_through_a_tunnel_is_given_up_in_time(certificate, zephr, private):
    zephr.fault = dripping(answer(b"", Content_Length=10_000))
    with EgressProxy(certificate=certificate) as proxy:
        client = private(proxy=proxy.url, timeout=1)
        start = time.monotonic()
        with pytest.raises(ZephrTimeout, match="Zephr did not answer"):
            client.get_session(KNOWN)
        assert 0.9 < time.monotonic() - start < 4


def test_through_a_tunnel_a_strange_certificate_is_refused(proxy, zephr, secure, connect, bundle):
    context = server_context(STRANGE)
    zephr.welcome = lambda connection: context.wrap_socket(connection, server_side=True)
    with failing(connect, secure, proxy.url, ZephrUnavailable, ca_bundle=bundle) as (_, attempts):
        assert attempts[0].reason == "Zephr cannot be reached, or broke off: self-signed certificate"


def test_a_redirect_is_not_followed_through_a_proxy(proxy, zephr, connect):
    zephr.fault = sending(answer(b"", "302 Found", Location=f"{zephr.base_url}/elsewhere"))
    with pytest.raises(ZephrBadResponse):
        connect(zephr.base_url, proxy=proxy.url).get_session(KNOWN)
    assert len(proxy.seen) == 1


# The environment.


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_the_environment_names_the_proxy(name, proxy, secure, private, monkeypatch):
    monkeypatch.setenv(name, proxy.url)
    assert private().get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]
    assert is_connect(proxy, secure)
    assert egress.route(secure).proxy_from == name


def test_a_proxy_of_the_environment_may_do_without_a_scheme(proxy, private, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", proxy.address)
    private().get_session(KNOWN)
    assert len(proxy.seen) == 1


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "all_proxy"])
def test_an_http_base_url_has_a_variable_of_its_own(name, proxy, zephr, connect, monkeypatch):
    monkeypatch.setenv(name, proxy.url)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert connect(zephr.base_url).get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]
    assert len(proxy.seen) == 1


@pytest.mark.parametrize("value", ["127.0.0.1", "example.com,127.0.0.1", "127.0.0.0/8", "*"])
def test_no_proxy_leads_around_it(value, proxy, zephr, connect, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", value)
    assert connect(zephr.base_url).get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]
    assert proxy.seen == []


def test_an_argument_wins_over_the_environment(proxy, private, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    client = private(proxy=proxy.url)
    assert client.get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]
    assert len(proxy.seen) == 1


@pytest.mark.parametrize("name", egress.CA_VARIABLES[:3])
def test_the_environment_names_a_private_authority(name, secure, bundle, connect, monkeypatch):
    with pytest.raises(ZephrUnavailable):
        connect(secure).get_session(KNOWN)
    monkeypatch.setenv(name, bundle)
    assert connect(secure).get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]
    assert egress.route(secure).ca_bundle_from == name


def test_of_several_bundles_that_counts_which_requests_takes(secure, bundle, connect, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    monkeypatch.setenv("CURL_CA_BUNDLE", "/nowhere.pem")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    assert connect(secure).get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]


def test_a_session_that_verifies_in_its_own_way_goes_on_doing_so(secure, trusting, connect, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    assert connect(secure, session=trusting).get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]


def test_a_netrc_is_left_alone_beside_the_proxy_of_the_environment(
    proxy, zephr, connect, monkeypatch, tmp_path
):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    assert connect(zephr.base_url).get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]
    assert "proxy-authorization" not in proxy.seen[0][1]


@pytest.mark.parametrize(
    "url", ["socks5://egress-user:p%40ss@127.0.0.1:9", "ftp://127.0.0.1", "http://:80", "http://a b"]
)
def test_a_proxy_of_the_environment_that_cannot_be_used_is_named_and_not_passed_by(
    url, zephr, connect, monkeypatch, caplog
):
    monkeypatch.setenv("ALL_PROXY", url)
    with failing(connect, zephr.base_url, None, ZephrUnavailable) as (error, attempts):
        assert "ALL_PROXY of the environment must be " in attempts[0].reason
        assert "p%40ss" not in everything_said(error, caplog)
        assert len(attempts) == 1
    assert not zephr.requests


# Values.


@pytest.mark.parametrize("text", NO_PROXIES)
def test_what_can_be_no_proxy_is_refused_without_repeating_it(text, connect):
    with pytest.raises(ValueError, match=r"^must be ") as caught:
        connect("http://127.0.0.1", proxy=text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", [f"http://{QUOTED}@127.0.0.1:9", f"https://{QUOTED}@127.0.0.1:9"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_login_is_in_no_error_no_log_and_no_repr(text, scheme, zephr, connect, caplog):
    caplog.set_level("DEBUG")
    base_url = zephr.base_url.replace("http:", f"{scheme}:")
    with failing(connect, base_url, text, ZephrUnavailable) as (error, attempts):
        said = everything_said(error, caplog) + repr(attempts) + repr(connect(base_url, proxy=text))
    assert not [secret for secret in SECRETS if secret in said]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "names a file that does not exist"),
        ("", "names a file without a certificate in PEM form"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "names a file without a certificate",
        ),
        (TRUSTED.partition("-----BEGIN CERTIFICATE")[0], "names a file without a certificate"),
    ],
)
def test_a_bundle_that_is_none_is_said_to_be_so(content, words, tmp_path):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    assert egress.bundle_problem(str(path)).startswith(words)


@pytest.mark.parametrize("path", ["a\x00b", "/proc/1/mem/x", "x" * 5000])
def test_a_path_that_cannot_be_read_is_no_bundle(path):
    assert egress.bundle_problem(path).startswith("names a file that ")


def test_a_bundle_and_a_directory_are_good(bundle, tmp_path):
    assert egress.bundle_problem(bundle) == egress.bundle_problem(str(tmp_path)) == ""


@pytest.mark.parametrize("content", [None, "nonsense"])
def test_a_bundle_that_cannot_be_used_makes_zephr_unavailable_and_says_why(
    content, secure, connect, tmp_path
):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with failing(connect, secure, None, ZephrUnavailable, ca_bundle=str(path)) as (_, attempts):
        assert len(attempts) == 1
        assert "broke off: CA_BUNDLE names a file " in attempts[0].reason
        assert str(path) in attempts[0].reason
