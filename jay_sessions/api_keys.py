"""The text of an API key: 256 random bits behind a readable prefix.

`jay_3f9c01ab_<43 characters>`: the first 12 characters may be shown, to tell keys apart. Only the
SHA-256 of the whole is stored: with that much randomness in the key, a slow hash would add nothing.
"""

import hashlib
import re
import secrets

PREFIX_LENGTH = 12

_FORM = re.compile(r"jay_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", re.ASCII)


def generate() -> str:
    """Return a new key."""
    return f"jay_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"


def has_form(text: str) -> bool:
    """Say whether `text` could be a key at all; what could not needs no look-up."""
    return _FORM.fullmatch(text) is not None


def prefix(key: str) -> str:
    """Return the part of a key that may be shown."""
    return key[:PREFIX_LENGTH]


def digest(key: str) -> str:
    """Return what is stored of a key: the SHA-256 in hex."""
    return hashlib.sha256(key.encode()).hexdigest()
