"""Sent once the change is committed, by `send_robust`: a receiver that raises is logged, no more.

Both have the keyword argument `session`, a `TrackingSession`; the sender is its class.
"""

from django.dispatch import Signal

session_started = Signal()
session_ended = Signal()
