"""Turns a request's addresses into the one client that its requests are counted for."""

import ipaddress
import re

_PORT = re.compile(r"(?P<v4>[0-9.]+):\d+|\[(?P<v6>[^\]]*)\](?::\d+)?")


def client_network(remote_addr: str, forwarded_for: str, proxies: int) -> str:
    """Return the client's IPv4 address, or the /64 network of its IPv6 address: one subscriber has a /64.

    `remote_addr` is the peer of the connection, `forwarded_for` the header `X-Forwarded-For`. Only the
    entries of the last `proxies` proxies are trusted: a client can invent the entries before them. A text
    that is not an address is returned unchanged, cut to 64 characters.
    """
    chain = [part.strip() for part in forwarded_for.split(",") if part.strip()] if proxies else []
    chain.append(remote_addr)
    text = chain[max(-len(chain), -proxies - 1)]
    if with_port := _PORT.fullmatch(text):
        text = with_port["v4"] or with_port["v6"]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text[:64]
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
