"""The forms in which user ids are stored: as received, as a keyed hash, or not at all."""

import base64
import dataclasses
import enum
import hmac
import re

from ..exceptions import InvalidUserId

PREFIX = "hashed:"
_BYTES = 16
_FORM = re.compile(f"{PREFIX}[A-Za-z0-9_-]{{21}}[AQgw]")
"""The form of `hashed`: 16 bytes are 22 characters of Base64, and the last one holds only two bits."""


class Storage(enum.StrEnum):
    """The values of `USER_ID_STORAGE`."""

    PLAIN = "plain"
    HASHED = "hashed"
    NONE = "none"


def hashing_key(secret: str | bytes) -> bytes:
    """Return the key that hashes user ids, derived from the secret, so that a hash has no other use."""
    if isinstance(secret, str):
        secret = secret.encode("utf-8", "surrogatepass")
    return hmac.digest(secret, b"jay_sessions.user_ids", "sha256")


def hashed(user_id: str, key: bytes) -> str:
    """Return `PREFIX` and the user id's HMAC-SHA256, cut to 128 bits (RFC 2104, section 5), in Base64."""
    digest = hmac.digest(key, user_id.encode(), "sha256")[:_BYTES]
    return PREFIX + base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")


def erasure_digest(form: str, key: bytes) -> str:
    """Return the digest that marks this form of a user id as erased: 64 hexadecimal digits."""
    own_key = hmac.digest(key, b"jay_sessions.erased_users", "sha256")
    return hmac.digest(own_key, form.encode(), "sha256").hex()


@dataclasses.dataclass(frozen=True, slots=True)
class UserIds:
    """How a site stores user ids. The first key hashes new ids; all keys are used to find stored ones."""

    storage: Storage
    keys: tuple[bytes, ...] = dataclasses.field(repr=False)

    def kept(self, user_id: str | None) -> str | None:
        """Return the user id for the token that the client gets."""
        return None if self.storage is Storage.NONE else user_id

    def stored(self, user_id: str | None) -> str | None:
        """Return the user id for the session's row."""
        if user_id is None or self.storage is Storage.NONE:
            return None
        return user_id if self.storage is Storage.PLAIN else hashed(user_id, self.keys[0])

    def imported(self, user_id: str | None) -> str | None:
        """Return the user id for the row of an imported session; the given id may be hashed already.

        Raises InvalidUserId if it begins with `PREFIX` but does not have the form of a hash.
        """
        if user_id is None or self.storage is not Storage.HASHED or not user_id.startswith(PREFIX):
            return self.stored(user_id)
        if not _FORM.fullmatch(user_id):
            raise InvalidUserId("user_id_form", f"Begins with {PREFIX} but is not a hashed id.")
        return user_id

    def erasure_notes(self, user_id: str) -> list[str]:
        """Return the digests to store when the user is erased."""
        return sorted({erasure_digest(form, self.keys[0]) for form in self.forms(user_id)})

    def erasure_digests(self, user_id: str) -> list[str]:
        """Return all digests that an erased user may have, with any of the keys; one of them is stored."""
        forms = self.forms(user_id)
        return [erasure_digest(form, key) for key in self.keys for form in forms]

    def forms(self, user_id: str) -> list[str]:
        """Return all forms in which the user's sessions may be stored: the setting may have changed.

        `user_id` itself is one of them. It may also be a hashed form, such as a list shows.
        """
        return [user_id, *dict.fromkeys(hashed(user_id, key) for key in self.keys)]
