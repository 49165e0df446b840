"""Which requests are so ordinary that the fast lane may answer them.

Those of a site are much alike: the same playouts, the same keys, one host. What was found of one is
remembered for others that are like it, for as long as a key is used without asking for it again.
"""

import datetime
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from django.conf import settings

from . import api_keys, conf, key_cache
from .api.base import API_VERSION
from .api.parsers import ZEPHR_SESSION_ID
from .api.request import last_value
from .grants import Scope
from .lane_scope import ScopeReader
from .lane_site import Environ, Header, Headers, Site
from .models import ApiKey

MAX_KNOWN = 1024
MAX_LENGTH = 1024
"""Characters of a request, in all that it is told by, that is remembered."""

_HEADERS = ("CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "HTTP_ORIGIN", "HTTP_X_API_VERSION")
_OF_ONE_CLIENT = ("HTTP_X_API_KEY", "HTTP_COOKIE", "HTTP_USER_AGENT", "HTTP_X_JAY_TRACKING", "HTTP_SEC_GPC")
_RENEWED_AFTER = datetime.timedelta(seconds=key_cache.RENEWED_AFTER)

Alike = tuple[str, tuple[str | None, ...]]


class Ordinary(NamedTuple):
    """What is the same for ordinary requests that are alike.

    `headers` are those of every answer, but for its length, where it `has_length`. It holds until `until`, by
    the clock of `time.monotonic`, and while there are no more `changes` of keys.
    """

    is_post: bool
    playout_id: str
    key: ApiKey
    headers: Headers
    has_length: bool
    until: float
    changes: int


class OrdinaryRequests:
    """Those of a site, as its settings are now; `write` is how its answers have their headers."""

    def __init__(self, write: Callable[[str, str], Header]) -> None:
        self.site = Site(write)
        self.environ_of = ScopeReader((*_HEADERS, *_OF_ONE_CLIENT, *self.site.names)).environ_of
        """Returns the environ of a scope of ASGI's, with all that is read of it."""
        self._names = ("REQUEST_METHOD", "PATH_INFO", "SERVER_PROTOCOL", *_HEADERS, *self.site.names)
        self._known: dict[Alike, Ordinary] = {}
        self._disallowed = settings.DISALLOWED_USER_AGENTS

    def find(self, environ: Environ) -> Ordinary | None:
        """Return what a request has in common with others; None where Django is to answer it."""
        cookies = environ.get("HTTP_COOKIE", "")
        if any(map(cookies.__contains__, self.site.cookies)) or (self._disallowed and self._refuses(environ)):
            return None
        digest = api_keys.digest(environ.get("HTTP_X_API_KEY", "").strip())
        alike = (digest, tuple(map(environ.get, self._names)))
        found = self._known.get(alike)
        if found is None or monotonic() >= found.until or found.changes != key_cache.changes:
            found = self._look_at(environ, digest, alike)
        return None if found is None or _may_link(environ) else found

    def _refuses(self, environ: Environ) -> bool:
        agent = environ.get("HTTP_USER_AGENT", "")
        return any(pattern.search(agent) for pattern in self._disallowed)

    def _look_at(self, environ: Environ, digest: str, alike: Alike) -> Ordinary | None:
        changes, now = key_cache.changes, datetime.datetime.now(datetime.UTC)
        playout_id = self.site.playout_of(environ)
        if playout_id is None or not _is_plain(environ):
            return None
        headers = self.site.headers(environ)
        # The key last of all: who is to renew it must come to the views.
        entry = None if headers is None else key_cache.known(digest)
        if headers is None or entry is None:
            return None
        key = entry.key
        if not (_is_good(key, now) and key.has_scope(Scope.TRACKING) and key.may_use(playout_id)):
            return None
        is_post, until = environ["REQUEST_METHOD"] == "POST", entry.looked_up_at + key_cache.RENEWED_AFTER
        found = Ordinary(is_post, playout_id, key, headers, self.site.adds_length, until, changes)
        length = sum(len(text) for text in alike[1] if text is not None)
        if length <= MAX_LENGTH and _is_good(key, now + _RENEWED_AFTER):
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[alike] = found
        return found


def _is_good(key: ApiKey, moment: datetime.datetime) -> bool:
    """Say whether nothing is to be refused or written for the key."""
    return key.is_live(moment) and key.use_is_noted(moment)


def _is_plain(environ: Environ) -> bool:
    """Say whether a request has nothing about it that only the views know how to treat."""
    if conf.get().provider_resolver is not None or "HTTP_ORIGIN" in environ:
        return False
    if environ.get("HTTP_X_API_VERSION", "").strip() not in ("", API_VERSION):
        return False
    length = environ.get("CONTENT_LENGTH", "")
    # HTTP/2 needs no length to send a body.
    bodiless = length == "0" or (length == "" and environ.get("SERVER_PROTOCOL", "").startswith("HTTP/1."))
    return bodiless and "HTTP_TRANSFER_ENCODING" not in environ


def _may_link(environ: Environ) -> bool:
    """Say whether the request may name a session of Zephr's."""
    zephr = conf.get().zephr
    if zephr is None or not zephr.link_sessions:
        return False
    query = environ.get("QUERY_STRING", "").encode("latin-1")
    return zephr.session_cookie_name in environ.get("HTTP_COOKIE", "") or (
        last_value(query, ZEPHR_SESSION_ID) is not None
    )
