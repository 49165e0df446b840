"""The tables, each beside its queryset. Imports `conf`, `database` and `core`."""

from .api_keys import ApiKey
from .ended import EndedSession, EndedSessionQuerySet, Reason
from .erased_users import ErasedUser
from .grants import Scope
from .rollups import DailyCount, FetchedZephrSession, LateSession, PlayoutWindows, RollupState
from .sessions import TrackingSession, TrackingSessionQuerySet
from .zephr import LinkedZephrSession

__all__ = [
    "ApiKey",
    "DailyCount",
    "EndedSession",
    "EndedSessionQuerySet",
    "ErasedUser",
    "FetchedZephrSession",
    "LateSession",
    "LinkedZephrSession",
    "PlayoutWindows",
    "Reason",
    "RollupState",
    "Scope",
    "TrackingSession",
    "TrackingSessionQuerySet",
]
