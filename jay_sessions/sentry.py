"""Hooks that remove API keys, tokens, user ids and Zephr session ids from the data sent to Sentry.

    from jay_sessions import sentry
    sentry_sdk.init(dsn=…, **sentry.HOOKS)

They need neither `sentry-sdk` nor settings: `init` may stand at the top of the site's settings.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .core.secret_text import MASK, scrub

Event = dict[str, Any]

_OURS = __name__.partition(".")[0]

_HIDDEN = frozenset(
    (
        *("authorization", "cookie", "cookies", "set_cookie", "proxy_authorization"),
        *("x_api_key", "api_key", "x_jay_tracking", "idempotency_key", "referer"),
        *("user_id", "userid", "zephr_session_id", "query_string", "next_token"),
        *("http.query", "url.query", "http.request.body.data", "db.params", "redis.commands"),
    )
)
"""Names with masked values, as `_plain` writes them: no `http_`, lower case, underscores."""


def before_send(event: Event, hint: Any) -> Event:
    """Return an error's event without secrets.

    If it has a frame of this app, no frame keeps its variables: the database driver holds the values of a
    statement, user ids too, in a list without names.
    """
    stacks = list(_stacks(event))
    if any(_is_ours(frame) for frames in stacks for frame in frames):
        for frames in stacks:
            for frame in frames:
                frame.pop("vars", None)
    return _without_secrets(event)


def before_send_transaction(event: Event, hint: Any) -> Event:
    """Return a transaction and its spans without secrets."""
    return _without_secrets(event)


def before_breadcrumb(crumb: Event, hint: Any) -> Event:
    """Return a breadcrumb without secrets."""
    return _scrubbed(crumb)


def before_send_log(log: Event, hint: Any) -> Event:
    """Return a line of Sentry's logs without secrets."""
    return _scrubbed(log)


HOOKS = {
    "before_send": before_send,
    "before_send_transaction": before_send_transaction,
    "before_breadcrumb": before_breadcrumb,
}
"""For `sentry_sdk.init(**HOOKS)`. A site with its own hooks calls these from them."""


def _without_secrets(event: Event) -> Event:
    request = event.get("request")
    if isinstance(request, dict):
        # Secrets in a body have no fixed form. Forms of the admin, too, contain user ids.
        if request.get("data"):
            request["data"] = MASK
        if isinstance(request.get("url"), str):
            request["url"] = request["url"].partition("?")[0]
    return _scrubbed(event)


def _scrubbed(value: Event) -> Event:
    clean = {name: _clean(name, part) for name, part in value.items()}
    if "redis" in f"{clean.get('op')} {clean.get('category')}":
        # Only the command and its key stay: the rest is the site's data, written by `pickle`.
        for name in {"description", "message"} & clean.keys():
            clean[name] = " ".join(str(clean[name]).split(" ")[:2])
    return clean


def _clean(name: Any, value: Any) -> Any:
    if value and isinstance(name, str) and _plain(name) in _HIDDEN:
        return MASK
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, bytes):
        return scrub(value.decode("utf-8", "replace"))
    if isinstance(value, Mapping):
        return _scrubbed({scrub(key) if isinstance(key, str) else key: part for key, part in value.items()})
    if isinstance(value, Sequence | set | frozenset):
        return _clean_list(list(value))
    return value


def _clean_list(values: list[Any]) -> list[Any]:
    # Headers may come as pairs.
    if len(values) == 2 and isinstance(values[0], str) and _plain(values[0]) in _HIDDEN:
        return [values[0], MASK]
    return [_clean(None, value) for value in values]


def _plain(name: str) -> str:
    plain = name.strip("'\"").lower().replace("-", "_")
    for prefix in ("http.request.header.", "http.response.header.", "http_"):
        plain = plain.removeprefix(prefix)
    return plain


def _stacks(event: Event) -> list[list[Event]]:
    """Return an event's lists of frames: those of its exceptions, of its threads, and its own."""
    holders = [event]
    for name in ("exception", "threads"):
        part = event.get(name) or {}
        holders += part.get("values", []) if isinstance(part, dict) else part
    stacks = [(holder or {}).get("stacktrace") for holder in holders]
    return [stack["frames"] for stack in stacks if stack and stack.get("frames")]


def _is_ours(frame: Event) -> bool:
    return str(frame.get("module") or "").partition(".")[0] == _OURS
