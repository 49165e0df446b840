"""What the ids of users, playouts and Zephr sessions may be, wherever they come from."""

import re

from .exceptions import InvalidPlayoutId, InvalidUserId, InvalidValue, InvalidZephrSessionId

MAX_LENGTH = 255

SURROGATE = re.compile("[\ud800-\udfff]")
"""What a string of Python may hold, but no UTF-8."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def check_text(value: object, error: type[InvalidValue] = InvalidValue) -> str:
    """Return `value` if it is a string of at most 255 characters that every part of the app can carry.

    Raises `error` for another type, a control character (U+0000-001F, U+007F-009F), a lone
    surrogate (no UTF-8 can hold it) and anything longer.
    """
    if not isinstance(value, str):
        raise error("string_type", "Input should be a string.")
    if len(value) <= MAX_LENGTH and value.isprintable():
        # Nearly always, and at a glance.
        return value
    if len(value) > MAX_LENGTH:
        raise error("string_too_long", f"String should have at most {MAX_LENGTH} characters.")
    if _CONTROL.search(value):
        raise error("string_control_character", "String should not contain control characters.")
    if SURROGATE.search(value):
        raise error("string_unicode", "String should be valid Unicode.")
    return value


def clean_user_id(value: object) -> str | None:
    """Return the user id without outer white space; None for None and for a blank one.

    Raises InvalidUserId as `check_text` describes.
    """
    if value is None:
        return None
    if isinstance(value, str):
        value = value.strip()
    return check_text(value, InvalidUserId) or None


def clean_playout_id(value: object) -> str:
    """Return the playout id as it is. Raises InvalidPlayoutId as `check_text` describes."""
    playout_id = check_text(value, InvalidPlayoutId)
    if not playout_id:
        raise InvalidPlayoutId("string_too_short", "String should have at least 1 character.")
    return playout_id


def clean_zephr_session_id(value: object) -> str:
    """Return `value` if it can stand for a Zephr session, as one segment of a path.

    Raises InvalidZephrSessionId as `check_text` describes, and for the empty string, `.` and `..`,
    which would ask Zephr for another path.
    """
    session_id = check_text(value, InvalidZephrSessionId)
    if not session_id:
        raise InvalidZephrSessionId("string_too_short", "String should have at least 1 character.")
    if session_id in (".", ".."):
        raise InvalidZephrSessionId("string_dot_segment", "String should not be a dot segment.")
    return session_id
