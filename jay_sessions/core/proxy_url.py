"""Reads the URL of an HTTP proxy."""

import base64
import dataclasses
import re
from typing import Self
from urllib.parse import SplitResult, unquote, urlsplit

_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*|[0-9A-Fa-f:.]+")
_WRONG = (
    'must be the URL of a proxy, such as "http://proxy.example.com:3128"; special characters in a '
    "login need %-escapes"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy: its URL without the login, and its login as a `Proxy-Authorization` value, or ""."""

    url: str
    authorization: str = dataclasses.field(default="", repr=False)

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read a URL such as `http://user:password@proxy.example.com:3128`.

        Raises ValueError. Its message completes a sentence ("must be the URL …") and contains no part of
        the URL.
        """
        if not isinstance(text, str):
            raise ValueError(_WRONG)
        if text.lower().startswith("socks"):
            raise ValueError("must be an http or https proxy: SOCKS is not supported")
        parts = _split(text)
        host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        login = ""
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            login = f"Basic {base64.b64encode(pair.encode('utf-8', 'replace')).decode()}"
        return cls(f"{parts.scheme}://{host}:{port}", login)


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        valid = bool(
            parts.scheme in ("http", "https") and _HOST.fullmatch(parts.hostname or "") and parts.port != 0
        )
    except ValueError:
        # No `raise` here: the first error would be its context, and its message may hold the login.
        valid = False
    if not valid or parts.path.strip("/") or parts.query or parts.fragment or re.search(r"[^!-~]|[?#]", text):
        raise ValueError(_WRONG)
    return parts
