"""The text of an API key: 256 random bits after a readable prefix.

Its form is `jay_3f9c01ab_<43 characters>`. The first 12 characters may be shown, to tell keys apart. Only the
SHA-256 of the key is stored: the key is so random that a slow hash would not make it safer.
"""

import hashlib
import re
import secrets

from .secret_text import Secret

PREFIX_LENGTH = 12

_FORM = re.compile(r"jay_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", re.ASCII)


def generate() -> Secret:
    """Return a new key."""
    return Secret(f"jay_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}")


def has_form(text: str) -> bool:
    """Say whether `text` has the form of a key; other texts need no look-up."""
    return _FORM.fullmatch(text) is not None


def prefix(key: str) -> str:
    """Return the part of a key that may be shown."""
    return key[:PREFIX_LENGTH]


def digest(key: str) -> str:
    """Return the stored form of a key: its SHA-256, as 64 hexadecimal digits."""
    return hashlib.sha256(key.encode()).hexdigest()
