"""The example site as one that has Sentry, with all that its SDK can see; a file keeps what it would send."""

import os
from pathlib import Path
from typing import Any

import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.transport import Transport

from jay_sessions import sentry
from project.settings import *  # noqa: F403
from project.settings import JAY_SESSIONS


class _Kept(Transport):
    def capture_envelope(self, envelope: Envelope) -> None:
        with Path(os.environ["SENT_TO_SENTRY"]).open("ab") as file:
            file.write(envelope.serialize() + b"\n")


def _resolver(playout_id: str) -> str:
    if playout_id.startswith("broken"):
        raise ZeroDivisionError(playout_id)
    return "some"


JAY_SESSIONS["PROVIDER_RESOLVER"] = _resolver
ROOT_URLCONF = "tests.support.sentry_urls"

_hooks: dict[str, Any] = sentry.HOOKS if os.environ["SENTRY_HOOKS"] == "1" else {}
sentry_sdk.init(
    dsn="http://public@127.0.0.1:9/1",
    transport=_Kept,
    traces_sample_rate=1.0,
    send_default_pii=True,
    max_request_body_size="always",
    max_value_length=100_000,
    integrations=[DjangoIntegration(cache_spans=True, signals_spans=True, middleware_spans=True)],
    **_hooks,
)
