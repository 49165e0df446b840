"""`nextToken`: the place where the next page begins. It is signed and valid only for its own list."""

import hashlib
import json
import uuid
from typing import Any

from django.core.signing import BadSignature, Signer

from ..exceptions import InvalidValue


def write(last: uuid.UUID, *listing: Any) -> str:
    """Return a token for the page after `last`; `listing` are JSON values that identify the list."""
    return _signer(listing).sign(last.hex)


def read(token: str, *listing: Any) -> uuid.UUID:
    """Return the `last` of `write`. Raises InvalidValue for a token of another list or any other text."""
    try:
        return uuid.UUID(_signer(listing).unsign(token))
    except BadSignature as error:
        message = "Input should be a nextToken of the same key, playout and filters."
        raise InvalidValue("next_token", message) from error


def _signer(listing: tuple[Any, ...]) -> Signer:
    # The list is part of the salt, so that the signature is valid only for this list.
    digest = hashlib.sha256(json.dumps(listing).encode()).hexdigest()
    return Signer(sep=".", salt=f"jay_sessions.next_token.{digest}")
