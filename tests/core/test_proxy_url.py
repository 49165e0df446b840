import pytest

from jay_sessions.core.proxy_url import Proxy

NO_PROXIES = [
    "",
    "proxy:3128",
    "http://",
    "http://user:secret@",
    "http://proxy:0",
    "http://proxy:65536",
    "http://proxy:secret",
    "http://proxy/path",
    "http://proxy?secret",
    "http://proxy#",
    "http://user:sec ret@proxy",
    "http://user:secret#@proxy",
    "http://pr\noxy",
    "http://[secret",
    "http://prøxy",
    "ftp://proxy",
    "socks5h://user:secret@proxy:1080",
    1,
    b"http://proxy",
]


@pytest.mark.parametrize(
    ("text", "url", "login"),
    [
        ("http://proxy.example.com:3128", "http://proxy.example.com:3128", ""),
        ("http://proxy", "http://proxy:80", ""),
        ("https://proxy/", "https://proxy:443", ""),
        ("HTTP://[::1]:3128", "http://[::1]:3128", ""),
        ("http://user@proxy", "http://proxy:80", "Basic dXNlcjo="),
        ("http://user:pass@proxy", "http://proxy:80", "Basic dXNlcjpwYXNz"),
        ("http://u%40s:p%3A%C3%BC@proxy", "http://proxy:80", "Basic dUBzOnA6w7w="),
    ],
)
def test_a_proxy_is_read_from_its_url(text, url, login):
    assert Proxy.parse(text) == Proxy(url, login)
    assert login == "" or login not in repr(Proxy.parse(text))


@pytest.mark.parametrize("text", NO_PROXIES)
def test_what_can_be_no_proxy_is_refused_without_repeating_it(text):
    with pytest.raises(ValueError, match=r"^must be ") as caught:
        Proxy.parse(text)
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None
