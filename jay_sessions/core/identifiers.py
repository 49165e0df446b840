"""The rules for ids of users, playouts, Zephr sessions and Zephr key pairs, the same for every source."""

import re

from ..exceptions import InvalidPlayoutId, InvalidUserId, InvalidValue, InvalidZephrSessionId

MAX_LENGTH = 255

SURROGATE = re.compile("[\ud800-\udfff]")
"""A Python string can contain these characters, but UTF-8 cannot."""

ZEPHR_ACCESS_KEY = re.compile("[!-9;-~]+")
"""The id of a Zephr key pair: printable ASCII without the colon, because a colon ends it in the header."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def check_text(value: object, error: type[InvalidValue] = InvalidValue) -> str:
    """Return `value` unchanged if it is a valid string of at most 255 characters; it may be empty.

    Raises `error` for another type, a control character (U+0000-001F, U+007F-009F), a lone surrogate
    (UTF-8 cannot contain one) and a longer text.
    """
    if not isinstance(value, str):
        raise error("string_type", "Input should be a string.")
    if len(value) > MAX_LENGTH:
        raise error("string_too_long", f"String should have at most {MAX_LENGTH} characters.")
    if _CONTROL.search(value):
        raise error("string_control_character", "String should not contain control characters.")
    if SURROGATE.search(value):
        raise error("string_unicode", "String should be valid Unicode.")
    return value


def shortened(text: str) -> str:
    """Return the start of an id and "…", for logs and titles: at most 8 characters, at most half of it."""
    return f"{text[: min(8, len(text) // 2)]}…"


def clean_user_id(value: object) -> str | None:
    """Return the user id without white space around it; None for None and for a blank text.

    Raises InvalidUserId as `check_text` describes.
    """
    if value is None:
        return None
    if isinstance(value, str):
        value = value.strip()
    return check_text(value, InvalidUserId) or None


def clean_playout_id(value: object) -> str:
    """Return the playout id unchanged. Raises InvalidPlayoutId as `check_text` describes, and for ""."""
    playout_id = check_text(value, InvalidPlayoutId)
    if not playout_id:
        raise InvalidPlayoutId("string_too_short", "String should have at least 1 character.")
    return playout_id


def clean_zephr_session_id(value: object) -> str:
    """Return `value` unchanged if it can be the id of a Zephr session, as one segment of a path.

    Raises InvalidZephrSessionId as `check_text` describes, and for "", "." and "..": these would lead to
    another path at Zephr.
    """
    session_id = check_text(value, InvalidZephrSessionId)
    if not session_id:
        raise InvalidZephrSessionId("string_too_short", "String should have at least 1 character.")
    if session_id in (".", ".."):
        raise InvalidZephrSessionId("string_dot_segment", "String should not be a dot segment.")
    return session_id
