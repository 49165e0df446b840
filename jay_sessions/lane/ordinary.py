"""Finds the requests that are ordinary enough for the fast lane.

Requests to a site are often alike: the same playouts, the same keys, one host. The result for one request is
used again for requests like it, until the key is looked up again. That saves 8 µs of 211 a GET
(bench.fast_paths).
"""

import datetime
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from django.conf import settings

from .. import conf, http
from ..api import key_cache
from ..api.parsers import ZEPHR_SESSION_ID
from ..api.request import last_value
from ..api.versioning import version_of
from ..core import key_text
from ..models import ApiKey
from ..models.grants import Scope
from .scope import ScopeReader
from .site import Environ, Header, Headers, Site

MAX_KNOWN = 1024
MAX_LENGTH = 1024
"""The most characters, in all compared values together, of a request that is remembered."""

_HEADERS = ("CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "HTTP_ORIGIN", "HTTP_X_API_VERSION")
_OF_ONE_CLIENT = ("HTTP_X_API_KEY", "HTTP_COOKIE", "HTTP_USER_AGENT", "HTTP_X_JAY_TRACKING", "HTTP_SEC_GPC")
_RENEWED_AFTER = datetime.timedelta(seconds=key_cache.RENEWED_AFTER)

Alike = tuple[str, tuple[str | None, ...]]


class Ordinary(NamedTuple):
    """The common part of ordinary requests that are alike.

    `headers` are the headers of every answer; with `has_length`, an answer also has a `Content-Length`. It is
    valid until `until` (a time of `time.monotonic`) and as long as `key_cache.changes` is `changes`.
    """

    is_post: bool
    playout_id: str
    key: ApiKey
    headers: Headers
    has_length: bool
    until: float
    changes: int


class OrdinaryRequests:
    """A site's ordinary requests, by its current settings. `write` makes a header from name and value."""

    def __init__(self, write: Callable[[str, str], Header]) -> None:
        self.site = Site(write)
        self.environ_of = ScopeReader((*_HEADERS, *_OF_ONE_CLIENT, *self.site.names)).environ_of
        """Returns the environ for an ASGI scope, with everything that the lane reads."""
        self._names = ("REQUEST_METHOD", "PATH_INFO", "SERVER_PROTOCOL", *_HEADERS, *self.site.names)
        self._known: dict[Alike, Ordinary] = {}
        self._disallowed = settings.DISALLOWED_USER_AGENTS

    def find(self, environ: Environ) -> Ordinary | None:
        """Return the common part for an ordinary request; None if Django must answer it."""
        cookies = environ.get("HTTP_COOKIE", "")
        if any(map(cookies.__contains__, self.site.cookies)) or (self._disallowed and self._refuses(environ)):
            return None
        digest = key_text.digest(environ.get("HTTP_X_API_KEY", "").strip())
        alike = (digest, tuple(map(environ.get, self._names)))
        ordinary = self._known.get(alike)
        if ordinary is None or monotonic() >= ordinary.until or ordinary.changes != key_cache.changes:
            ordinary = self._look_at(environ, digest, alike)
        return None if ordinary is None or _may_link(environ) else ordinary

    def _refuses(self, environ: Environ) -> bool:
        agent = environ.get("HTTP_USER_AGENT", "")
        return any(pattern.search(agent) for pattern in self._disallowed)

    def _look_at(self, environ: Environ, digest: str, alike: Alike) -> Ordinary | None:
        changes, now = key_cache.changes, datetime.datetime.now(datetime.UTC)
        playout_id = self.site.playout_of(environ)
        if playout_id is None or not _is_plain(environ):
            return None
        headers = self.site.headers(environ)
        # The key comes last: the request that has to renew it must reach the views.
        entry = None if headers is None else key_cache.known(digest)
        if headers is None or entry is None:
            return None
        key = entry.key
        if not (_is_good(key, now) and key.has_scope(Scope.TRACKING) and key.may_use(playout_id)):
            return None
        is_post, until = environ["REQUEST_METHOD"] == "POST", entry.looked_up_at + key_cache.RENEWED_AFTER
        ordinary = Ordinary(is_post, playout_id, key, headers, self.site.adds_length, until, changes)
        # Hypercorn's WSGI gives the port as a number.
        length = sum(len(str(text)) for text in alike[1] if text is not None)
        if length <= MAX_LENGTH and _is_good(key, now + _RENEWED_AFTER):
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[alike] = ordinary
        return ordinary


def _is_good(key: ApiKey, moment: datetime.datetime) -> bool:
    """Say whether the key is valid at `moment` and its use need not be stored then."""
    return key.is_live(moment) and key.was_used_recently(moment)


def _is_plain(environ: Environ) -> bool:
    """Say whether a request needs no treatment that only the views can give."""
    if conf.get().provider_resolver is not None or "HTTP_ORIGIN" in environ:
        return False
    return version_of(environ) is not None and not http.may_have_body(environ)


def _may_link(environ: Environ) -> bool:
    """Say whether the request may contain the id of a Zephr session."""
    zephr = conf.get().zephr
    if zephr is None or not zephr.link_sessions:
        return False
    query = environ.get("QUERY_STRING", "").encode("latin-1")
    return zephr.session_cookie_name in environ.get("HTTP_COOKIE", "") or (
        last_value(query, ZEPHR_SESSION_ID) is not None
    )
