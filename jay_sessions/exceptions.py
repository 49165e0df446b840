"""All exceptions of this app, as one tree.

`code` is the word that a client finds in `error.details`. `retryable` says whether the same call may
succeed later without any change. An exception that replaces another one is raised `from` it.

`args` holds all arguments of a class, so `pickle`, `copy` and task queues can copy an exception.
"""

from typing import ClassVar


class JaySessionsError(Exception):
    """The root: catch it to catch everything that this app raises on purpose."""

    code: ClassVar[str] = "INTERNAL_ERROR"
    retryable: ClassVar[bool] = False

    def __str__(self) -> str:
        # The message alone: the other arguments are for programs.
        return str(self.args[0]) if self.args else ""


class InvalidValue(JaySessionsError):
    """A value from outside breaks a rule.

    `kind` is a stable word for programs, such as `string_too_long`; `message` is a sentence for people.
    Neither contains the value.
    """

    code = "INVALID_VALUE"

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message

    def __str__(self) -> str:
        return self.message


class InvalidUserId(InvalidValue):
    """A user id breaks a rule, or makes the token too long for a cookie."""


class InvalidPlayoutId(InvalidValue):
    """A playout id breaks a rule."""


class InvalidZephrSessionId(InvalidValue):
    """The id of a Zephr session breaks a rule."""


class InvalidToken(JaySessionsError):
    """A tracking token is malformed, too long, changed, or signed with an unknown key."""

    code = "TRACKING_NOT_VALID"


class NoSession(JaySessionsError):
    """None of the tokens in the request belongs to a valid session."""

    code = "TRACKING_NOT_VALID"


class StoreUnavailable(JaySessionsError):
    """The database did not store or return the data. The client got no confirmation."""

    code = "STORE_UNAVAILABLE"
    retryable = True

    def again(self) -> "StoreUnavailable":
        """Return a copy, for another thread to raise."""
        error = type(self)(*self.args)
        error.__cause__ = self.__cause__
        return error


class StoreNotMigrated(StoreUnavailable):
    """The database lacks a table or a column. Retries fail until `migrate` has run."""

    code = "INTERNAL_ERROR"
    retryable = False


class StoreLacksPartition(StoreUnavailable):
    """There is no partition for the session. Retries fail until `jay_partition_sessions` has run."""


class StoreBusy(StoreUnavailable):
    """A table could not be changed, because other transactions have held its locks for too long."""


class ZephrError(JaySessionsError):
    """A Zephr session could not be fetched. The message never contains a credential or Zephr's body."""

    code = "ZEPHR_UNAVAILABLE"


class ZephrNotConfigured(ZephrError):
    """The `ZEPHR` setting is empty."""

    code = "ZEPHR_NOT_CONFIGURED"


class ZephrSessionNotFound(ZephrError):
    """Zephr has no session with this id (404)."""

    code = "ZEPHR_SESSION_NOT_FOUND"


class ZephrCredentialsRejected(ZephrError):
    """Zephr refuses the key pair, or the time in the signature (401, 403)."""

    code = "ZEPHR_CREDENTIALS_REJECTED"


class ZephrClockSkew(ZephrCredentialsRejected):
    """Zephr refuses the signature, and our clock is far from Zephr's.

    `seconds` says how far our clock is ahead; it is negative if ours is behind.
    """

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message, seconds)
        self.seconds = seconds


class ZephrUnavailable(ZephrError):
    """Zephr cannot be reached, closes the connection too early, or answers 5xx."""

    code = "ZEPHR_UNAVAILABLE"
    retryable = True


class ZephrCircuitOpen(ZephrUnavailable):
    """Zephr failed too often, and is not asked for `retry_after` whole seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message, retry_after)
        self.retry_after = retry_after


class ZephrBusy(ZephrUnavailable):
    """Too many calls of this process wait for Zephr already. Retry after `retry_after` whole seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message, retry_after)
        self.retry_after = retry_after


class ZephrBadResponse(ZephrError):
    """Zephr's answer is not a session: a redirect, not a JSON object, or too long."""

    code = "ZEPHR_BAD_RESPONSE"


class ZephrThrottled(ZephrError):
    """Zephr answers 429. `retry_after` is Zephr's own wait in whole seconds, or None if it gives none."""

    code = "ZEPHR_THROTTLED"
    retryable = True

    def __init__(self, message: str, retry_after: int | None = None) -> None:
        super().__init__(message, retry_after)
        self.retry_after = retry_after


class ZephrTimeout(ZephrError):
    """Zephr's answer was not complete within the total time of a call."""

    code = "ZEPHR_TIMEOUT"
    retryable = True
