"""What the real SDK of Sentry would send of the site: all but keys, tokens, ids of users and Zephr's."""

import json
import re
import time
import uuid

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from jay_sessions import sentry, sessions
from jay_sessions.core.secret_text import MASK
from project.zephr_demo_sessions import DEMO_SESSIONS
from project.zephr_stand_in import ZephrStandIn

from .conftest import COOKIE, PLAYOUT
from .support import servers

USER = f"somebody-{uuid.uuid4().hex}"
ZEPHR_ID, *_ = DEMO_SESSIONS
MADE_UP = f"jay_{'0' * 8}_{'k' * 43}"
PATH = f"/playouts/{PLAYOUT}/tracking/session"


def use(server, shared):
    """Ask for all that could leave a trace; return the token."""

    call = server.call
    status, headers = call("POST", f"{PATH}?user_id={USER}")
    assert status == 200
    token = headers["X-JAY-TRACKING"]
    carried = {"Cookie": f"{COOKIE}={token}; blaize_session={ZEPHR_ID}", "X_JAY_TRACKING": token}
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    for path in ("/fail/", "/afail/", "/refuse/", f"/playouts/broken/tracking/session?user_id={USER}"):
        method = "POST" if "broken" in path else "GET"
        assert call(method, path, **carried)[0] == 500
    broken = PATH.replace(PLAYOUT, "broken")
    assert call("POST", broken, body=json.dumps({"user_id": USER}), Content_Type="application/json")[0] == 500
    assert call("POST", broken, body=f"user_id={USER}", **form)[0] == 500
    for key in (server.key, MADE_UP):
        for method in ("POST", "GET", "DELETE"):
            call(method, f"{PATH}?user_id={USER}&x=1", key, **carried)
    assert call("GET", f"/playouts/{PLAYOUT}/tracking/sessions?user_id={USER}")[0] == 200
    shared.fault = None
    assert call("GET", f"/v3/sessions/{ZEPHR_ID}")[0] == 200
    assert call("GET", f"/v3/sessions/{ZEPHR_ID}?again", **carried)[0] == 200
    shared.fault = lambda handler: handler.connection.sendall(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")
    assert call("GET", f"/v3/sessions/{ZEPHR_ID}-else")[0] == 502
    assert call("GET", f"/admin/jay_sessions/trackingsession/?q={USER}", **carried)[0] == 302
    return token


def envelopes(file):
    deadline = time.monotonic() + 20
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    return file.read_text()


@pytest.fixture(params=["gunicorn", "granian, ASGI"])
def sent(request, tmp_path, shared_cache):
    """Use the site; gives a call that returns what would be sent, and the token that was in use."""

    def run(hooks):
        file = tmp_path / "sent"
        variables = {"SENT_TO_SENTRY": str(file), "SENTRY_HOOKS": hooks, "LOG_LEVEL": "DEBUG"}
        with ZephrStandIn("access", "secret-of-the-pair") as zephr:
            pair = {"ZEPHR_ACCESS_KEY": "access", "ZEPHR_SECRET_KEY": "secret-of-the-pair"}
            variables |= {**pair, "ZEPHR_BASE_URL": zephr.base_url, "ZEPHR_LINK_SESSIONS": "1"}
            variables |= {
                "REDIS_URL": shared_cache,
                "DJANGO_SETTINGS_MODULE": "tests.support.sentry_settings",
            }
            with servers.running(request.param, tmp_path, **variables) as server:
                token = use(server, zephr)
                text = envelopes(file)
        return text, (server.key, MADE_UP, token, USER, ZEPHR_ID, "secret-of-the-pair")

    return run


@pytest.mark.server
def test_nothing_that_is_sent_holds_a_secret(sent):
    text, secrets = sent("1")
    for kind in ('"type":"event"', '"type":"transaction"', "breadcrumbs", "LookupError", "ZeroDivisionError"):
        assert kind in text.replace('": ', '":')
    for op in ("http.client", "db.redis", '"db"'):
        assert op in text
    assert MASK in text
    for secret in secrets:
        assert secret not in text, near(text, secret)
        assert secret[: len(secret) // 2] not in text, near(text, secret[: len(secret) // 2])


def near(text, secret):
    return [
        text[max(match.start() - 200, 0) : match.end() + 50] for match in re.finditer(re.escape(secret), text)
    ]


@pytest.mark.server
def test_without_the_hooks_it_does(sent):
    text, secrets = sent("0")
    for secret in (secrets[2], USER, ZEPHR_ID):
        assert secret in text


# From here on in this process, with the real SDK.


class Kept(Transport):
    """A transport of the SDK that keeps what it is given."""

    def __init__(self, options=None):
        super().__init__(options)
        self.sent = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.sent += [item.payload.json for item in envelope.items]


@pytest.fixture
def sdk():
    """Sentry's SDK with the hooks, for one test; gives the list of what it would send."""
    client = sentry_sdk.Client(
        dsn="http://public@127.0.0.1:9/1",
        transport=Kept,
        traces_sample_rate=1.0,
        release="1",
        default_integrations=False,
        **sentry.HOOKS,
    )
    with sentry_sdk.isolation_scope() as scope:
        scope.set_client(client)
        yield client.transport.sent
    client.close()


def frames_of(event):
    return [frame for error in event["exception"]["values"] for frame in error["stacktrace"]["frames"]]


def test_an_error_that_passed_through_the_app_is_sent_without_the_variables_of_any_frame(sdk, setting):
    def refuses(playout_id):
        raise LookupError(f"no provider for user_id={USER}")

    setting(PROVIDER_RESOLVER=refuses)
    try:
        sessions.start(PLAYOUT, USER)
    except LookupError:
        sentry_sdk.capture_exception()
    [event] = sdk
    assert {frame["module"] for frame in frames_of(event)} >= {"jay_sessions.sessions", __name__}
    assert not [frame for frame in frames_of(event) if "vars" in frame]
    assert event["exception"]["values"][-1]["value"] == f"no provider for user_id={MASK}"
    assert USER not in json.dumps(event)


def test_an_error_of_the_sites_own_keeps_its_variables_without_secrets(sdk):
    def of_the_site(user_id, pair, plan):
        raise LookupError("of the site")

    try:
        of_the_site(USER, ("X-API-Key", MADE_UP), plan="free")
    except LookupError:
        sentry_sdk.capture_exception()
    [event] = sdk
    variables = frames_of(event)[-1]["vars"]
    assert variables == {"user_id": MASK, "pair": ["'X-API-Key'", MASK], "plan": "'free'"}
    assert USER not in json.dumps(event)


def test_spans_and_breadcrumbs_of_redis_keep_command_and_key_alone(sdk):
    sentry_sdk.add_breadcrumb(
        category="redis", message=f"SET 'jay:1' '{USER}'", data={"redis.commands": [USER]}
    )
    with sentry_sdk.start_transaction(name="a page"):
        with sentry_sdk.start_span(op="db.redis", name=f"SET 'jay:1' '{USER}' EX 60"):
            pass
        with sentry_sdk.start_span(
            op="http.client", name=f"GET https://zephr.example/v3/sessions/{ZEPHR_ID}"
        ):
            pass
    sentry_sdk.capture_message("the breadcrumb's event")
    transaction, event = sdk
    told = ["SET 'jay:1'", f"GET https://zephr.example/v3/sessions/{MASK}"]
    assert [span["description"] for span in transaction["spans"]] == told
    # Older SDKs make breadcrumbs of spans, too.
    crumb, *_ = event["breadcrumbs"]["values"]
    assert (crumb["message"], crumb["data"]) == (told[0], {"redis.commands": MASK})
    assert not [secret for secret in (USER, ZEPHR_ID) if secret in json.dumps(sdk)]


def test_an_event_keeps_of_its_request_the_path_and_what_is_no_secret():
    request = {
        "url": f"https://example.com/playouts/?user_id={USER}",
        "query_string": f"x={USER}",
        "data": {"form": USER},
        "cookies": {},
        "headers": {"X-Api-Key": MADE_UP, "HTTP_COOKIE": USER, "Accept": "text/html"},
        "method": "POST",
    }
    assert sentry.before_send({"request": request}, {})["request"] == {
        "url": "https://example.com/playouts/",
        "query_string": MASK,
        "data": MASK,
        "cookies": {},
        "headers": {"X-Api-Key": MASK, "HTTP_COOKIE": MASK, "Accept": "text/html"},
        "method": "POST",
    }


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        pytest.param(f"user_id={USER}&x=1", f"user_id={MASK}&x=1", id="text"),
        pytest.param(f"user_id={USER}".encode() + b"&\xff", f"user_id={MASK}&\ufffd", id="bytes"),
        pytest.param({f"/v3/sessions/{ZEPHR_ID}": 1, 2: 3}, {f"/v3/sessions/{MASK}": 1, 2: 3}, id="names"),
        pytest.param(
            {"http.request.header.x-api-key": "k"}, {"http.request.header.x-api-key": MASK}, id="header"
        ),
        pytest.param([["Cookie", "c"], ("Accept", "*")], [["Cookie", MASK], ["Accept", "*"]], id="pairs"),
        pytest.param({f"user_id={USER}"}, [f"user_id={MASK}"], id="set"),
        pytest.param({"user_id": None}, {"user_id": None}, id="nothing to hide"),
        pytest.param(7, 7, id="number"),
    ],
)
def test_a_breadcrumb_and_a_line_of_sentrys_logs_are_kept_without_secrets(given, sent):
    for hook in (sentry.before_breadcrumb, sentry.before_send_log):
        assert hook({"data": {"of the site": given}}, {}) == {"data": {"of the site": sent}}


@pytest.mark.parametrize("threads", [{"values": [{"stacktrace": None}, None]}, [None]])
def test_frames_of_other_threads_count_too(threads):
    ours = {"module": "jay_sessions.store.group", "vars": {"row": USER}}
    theirs = {"module": "site", "vars": {"who": USER}}
    event = {"threads": {"values": [{"stacktrace": {"frames": [ours]}}]}, "stacktrace": {"frames": [theirs]}}
    assert USER not in json.dumps(sentry.before_send(event, {}))
    assert sentry.before_send({"threads": threads}, {})


def test_hooks_take_any_event():
    for event in (
        {},
        {"exception": None, "request": None},
        {"request": {}},
        {"exception": {"values": [{"stacktrace": None}]}},
    ):
        for hook in sentry.HOOKS.values():
            assert hook(dict(event), {}) == event
