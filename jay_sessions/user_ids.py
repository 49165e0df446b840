"""In which form user ids are stored: as they come, as a keyed hash, or not at all."""

import base64
import dataclasses
import enum
import hmac

PREFIX = "hashed:"
_BYTES = 16


class Storage(enum.StrEnum):
    """What `USER_ID_STORAGE` may be."""

    PLAIN = "plain"
    HASHED = "hashed"
    NONE = "none"


def hashing_key(secret: str | bytes) -> bytes:
    """Derive the key that hashes user ids, so that a hash serves no other purpose."""
    if isinstance(secret, str):
        secret = secret.encode("utf-8", "surrogatepass")
    return hmac.digest(secret, b"jay_sessions.user_ids", "sha256")


def hashed(user_id: str, key: bytes) -> str:
    """Return what stands for the user id: HMAC-SHA256, cut to 128 bits (RFC 2104, 5), behind `PREFIX`."""
    digest = hmac.digest(key, user_id.encode(), "sha256")[:_BYTES]
    return PREFIX + base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")


@dataclasses.dataclass(frozen=True, slots=True)
class UserIds:
    """How a site stores user ids. The first of the keys hashes; all of them find what was hashed."""

    storage: Storage
    keys: tuple[bytes, ...] = dataclasses.field(repr=False)

    def kept(self, user_id: str | None) -> str | None:
        """Return what a session says of its user to the client that started it."""
        return None if self.storage is Storage.NONE else user_id

    def stored(self, user_id: str | None) -> str | None:
        """Return what stands in the session's row."""
        if user_id is None or self.storage is Storage.NONE:
            return None
        return user_id if self.storage is Storage.PLAIN else hashed(user_id, self.keys[0])

    def forms(self, user_id: str) -> list[str]:
        """Return every form in which the user's sessions may be stored: the setting may have changed.

        Given such a form instead of an id, it is among them: what a list shows can be looked for.
        """
        return [user_id, *dict.fromkeys(hashed(user_id, key) for key in self.keys)]
