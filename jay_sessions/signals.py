"""The app's signals. `send_robust` sends them: if a receiver raises, the error is logged and nothing else.

`session_started` and `session_ended` are sent after the change is committed. The sender is
`TrackingSession`; the keyword argument `session` is one, as it is stored (see `USER_ID_STORAGE`).

`zephr_attempted` is sent after each request to Zephr. The sender is `ZephrClient`; the arguments are `number`
(of the attempt, from 1), `outcome` ("OK" or the code of the exception), `seconds` (a float) and `status` (the
HTTP status, None without an answer).

`zephr_answered` is sent after each look-up of a session, also after one that failed. The sender is
`gateway.LookupResult`; the arguments are `outcome` and `seconds` as above and `source`, a `gateway.Source`. A
failure has the source `MISS`, unless it comes from the cache or from another caller's request. Neither signal
contains the session's id.
"""

from django.dispatch import Signal

session_started = Signal()
session_ended = Signal()
zephr_attempted = Signal()
zephr_answered = Signal()
