import pytest
from hypothesis import given
from hypothesis import strategies as st

from jay_sessions.core.addresses import client_network


@pytest.mark.parametrize(
    ("remote", "forwarded", "proxies", "expected"),
    [
        ("192.0.2.1", "", 0, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", 0, "192.0.2.1"),
        ("10.0.0.1", "198.51.100.7", 1, "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7", 1, "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7", 2, "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9,198.51.100.7", 5, "203.0.113.9"),
        ("10.0.0.1", "", 2, "10.0.0.1"),
        ("10.0.0.1", " , ,", 2, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7:4711", 1, "198.51.100.7"),
        ("10.0.0.1", "[2001:db8:1:2:3::4]:443", 1, "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "", 0, "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "", 0, "fe80::/64"),
        ("::ffff:192.0.2.1", "", 0, "192.0.2.1"),
        ("", "", 0, ""),
        ("10.0.0.1", "unknown", 1, "unknown"),
        ("10.0.0.1", "x" * 100, 1, "x" * 64),
    ],
)
def test_a_client_is_who_the_trusted_proxies_say(remote, forwarded, proxies, expected):
    assert client_network(remote, forwarded, proxies) == expected


@given(st.text(), st.text(), st.integers(0, 5))
def test_whatever_the_headers_say_there_is_an_answer_of_bounded_length(remote, forwarded, proxies):
    assert len(client_network(remote, forwarded, proxies)) <= 64


@given(st.text(alphabet="0123456789abcdef.:, "), st.integers(1, 4))
def test_what_a_client_puts_before_the_proxies_entries_counts_for_nothing(made_up, proxies):
    told = ", ".join(["198.51.100.7"] + ["10.0.0.9"] * (proxies - 1))
    assert client_network("10.0.0.1", f"{made_up},{told}", proxies) == "198.51.100.7"
