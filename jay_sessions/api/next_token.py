"""`nextToken`: where the next page begins, signed, and good only for the list that it came from."""

import hashlib
import json
import uuid
from typing import Any

from django.core.signing import BadSignature, Signer

from ..exceptions import InvalidValue


def write(last: uuid.UUID, *listing: Any) -> str:
    """Return a token for the page after `last` of a list, which JSON values describe."""
    return _signer(listing).sign(last.hex)


def read(token: str, *listing: Any) -> uuid.UUID:
    """Return what `write` was given. Raises InvalidValue for a token of another list, or of none."""
    try:
        return uuid.UUID(_signer(listing).unsign(token))
    except BadSignature as error:
        message = "Input should be a nextToken of the same key, playout and filters."
        raise InvalidValue("next_token", message) from error


def _signer(listing: tuple[Any, ...]) -> Signer:
    # Part of the salt, so that the signature holds only together with it.
    digest = hashlib.sha256(json.dumps(listing).encode()).hexdigest()
    return Signer(sep=".", salt=f"jay_sessions.next_token.{digest}")
