"""Everything that can go wrong here, as one tree.

`code` is the word a client finds in `error.details`; `retryable` says whether the same call may
succeed later without any change. An exception that stands for another one is raised `from` it.
"""

from typing import ClassVar


class JaySessionsError(Exception):
    """The root: catch it to catch whatever this app raises on purpose."""

    code: ClassVar[str] = "INTERNAL_ERROR"
    retryable: ClassVar[bool] = False


class InvalidValue(JaySessionsError):
    """A value from outside breaks a rule.

    `kind` is a stable word for programs (`string_too_long`), `message` a sentence for people.
    Neither repeats the value.
    """

    code = "INVALID_VALUE"

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class InvalidUserId(InvalidValue):
    """A user id breaks a rule, or makes a token that no browser would keep as a cookie."""


class InvalidPlayoutId(InvalidValue):
    """A playout id breaks a rule."""


class InvalidZephrSessionId(InvalidValue):
    """The id of a Zephr session breaks a rule."""


class InvalidToken(JaySessionsError):
    """A tracking token is malformed, over-long, tampered with or signed by a stranger."""

    code = "TRACKING_NOT_VALID"


class NoSession(JaySessionsError):
    """No token that was sent stands for a session which is valid now."""

    code = "TRACKING_NOT_VALID"


class StoreUnavailable(JaySessionsError):
    """The database did not take or give the data; nothing was acknowledged."""

    code = "STORE_UNAVAILABLE"
    retryable = True

    def again(self) -> "StoreUnavailable":
        """Return the same for another thread to raise."""
        error = StoreUnavailable(*self.args)
        error.__cause__ = self.__cause__
        return error


class ZephrError(JaySessionsError):
    """A Zephr session could not be had. The message never holds a credential or Zephr's body."""

    code = "ZEPHR_UNAVAILABLE"


class ZephrNotConfigured(ZephrError):
    """The `ZEPHR` setting is empty."""

    code = "ZEPHR_NOT_CONFIGURED"


class ZephrSessionNotFound(ZephrError):
    """Zephr knows no session with this id (404)."""

    code = "ZEPHR_SESSION_NOT_FOUND"


class ZephrCredentialsRejected(ZephrError):
    """Zephr refuses the key pair, or the clock behind the signature (401, 403)."""

    code = "ZEPHR_CREDENTIALS_REJECTED"


class ZephrClockSkew(ZephrCredentialsRejected):
    """Zephr refuses the signature, and our clock is far from its own.

    `seconds` is how far ours is ahead; negative where it is behind.
    """

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class ZephrUnavailable(ZephrError):
    """Zephr cannot be reached, breaks off, or answers 5xx."""

    code = "ZEPHR_UNAVAILABLE"
    retryable = True


class ZephrCircuitOpen(ZephrUnavailable):
    """Zephr failed too often and is not asked for now. `retry_after` is for how long, in whole seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ZephrBadResponse(ZephrError):
    """Zephr answers something that is no session: a redirect, no JSON object, too much."""

    code = "ZEPHR_BAD_RESPONSE"


class ZephrThrottled(ZephrError):
    """Zephr answers 429. `retry_after` is its wish in whole seconds, None where it names none."""

    code = "ZEPHR_THROTTLED"
    retryable = True

    def __init__(self, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ZephrTimeout(ZephrError):
    """Zephr did not answer in full within the total time."""

    code = "ZEPHR_TIMEOUT"
    retryable = True
