"""The app in Django's admin."""

from .api_keys import ApiKeyAdmin
from .sessions import TrackingSessionAdmin

__all__ = ["ApiKeyAdmin", "TrackingSessionAdmin"]
