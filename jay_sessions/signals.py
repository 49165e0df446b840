"""Sent by `send_robust`: a receiver that raises is logged, no more.

`session_started` and `session_ended` are sent once the change is committed, with the keyword argument
`session`, a `TrackingSession` as it is stored (see `USER_ID_STORAGE`); the sender is its class.

`zephr_attempted` is sent after each request to Zephr, by `ZephrClient`, with `number` (of the attempt,
from 1), `outcome` ("OK" or the code of the exception), `seconds` (a float) and `status` (None where
none came). `zephr_answered` is sent after each look-up of a session, by `gateway.Answer`, also where it
failed, with `outcome` and `seconds` as above and `source`, a `gateway.Source`; a failure that is not
from the cache or of somebody else's call has `MISS`. Neither tells which session it was.
"""

from django.dispatch import Signal

session_started = Signal()
session_ended = Signal()
zephr_attempted = Signal()
zephr_answered = Signal()
