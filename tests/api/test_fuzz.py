"""The example site under Granian, fuzzed by Schemathesis from the OpenAPI document that it serves.

A small run is part of the suite; `JAY_FUZZ_EXAMPLES=17000 pytest tests/api/test_fuzz.py --timeout=0 -s` is
the long one, of 100,000 requests and more.
"""

import collections
import os
import sys
from urllib.parse import quote, unquote

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from project.zephr_demo_sessions import DEMO_SESSIONS
from project.zephr_stand_in import ZephrStandIn

from ..conftest import COOKIE, EXAMPLE_TOKEN, PLAYOUT
from ..support.servers import running

pytestmark = pytest.mark.server

EXAMPLES = int(os.environ.get("JAY_FUZZ_EXAMPLES", "150"))
GOOD_SHARE = 0.3
"""How many of an operation's answers must be 2xx, so that not only closed doors are knocked on."""

TRACKING = "/playouts/{playout_id}/tracking/session"
OPERATIONS = [
    ("POST", TRACKING),
    ("GET", TRACKING),
    ("DELETE", TRACKING),
    ("GET", f"{TRACKING}s"),
    ("GET", "/playouts/{playout_id}/tracking/statistics"),
    ("GET", "/v3/sessions/{id}"),
]
GOOD_PARAMETERS = {
    "user_id": ["a", "b"],
    "provider": ["netflix"],
    "active": ["true", "false"],
    "started_after": ["1970-01-01", "2025-10-25T12:00:00.5-03:30"],
    "started_before": ["2199-12-31T23:59:59Z"],
    "limit": ["1", "1000"],
    "from": ["2025-10-25", "2025-10-26T00:30:00Z", "2025-10-26T05:00+05:45"],
    "to": ["2025-10-27T12:00:00", "2025-11-01"],
    "interval": ["hour", "day"],
    "tz": ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe"],
}
"""What opens the doors of the operations that read: they are good together."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Whether these make sense is the web server's to say, which refuses them before the app hears of them.
FRAMING = {"connection", "content-length", "expect", "host", "te", "transfer-encoding", "upgrade"}
PLAYOUTS = [PLAYOUT, "0", "a b", "é💡", "x" * 255, "%", "a+b&c=d;e", "..."]
# With nulls, a state that is new, and a member that is new: what Zephr sends is passed on as it is.
NEW = {"unknown": [None], "v": None, "sessions": [None, {"state": "dormant", "city": None}]}
ZEPHR_SESSIONS = {
    **DEMO_SESSIONS,
    **{name: {**next(iter(DEMO_SESSIONS.values())), **NEW} for name in PLAYOUTS},
}


class Site:
    """The running site as the fuzzing sees it: its document, an API key and connections."""

    def __init__(self, server):
        self.url, self.key = f"http://127.0.0.1:{server.port}", server.key
        self.document = schemathesis.openapi.from_url(f"{self.url}/schema/")
        self.session = requests.Session()

    def new_token(self):
        """Start a session, of which the fuzzing knows the token."""
        path = TRACKING.format(playout_id=PLAYOUT)
        headers = {"X-API-Key": self.key}
        return self.session.post(f"{self.url}{path}", headers=headers).headers["X-JAY-TRACKING"]

    def next_token(self, playout_id, query):
        """Ask for a page of one session; gives what leads to the next one, blank if there is none."""
        path = f"{TRACKING}s".format(playout_id=playout_id)
        response = self.session.get(
            f"{self.url}{path}", params={**query, "limit": 1}, headers={"X-API-Key": self.key}
        )
        return response.json().get("nextToken", "") if response.status_code == 200 else ""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    access_key, secret_key = "fuzz", "not much of a secret"
    with pytest.MonkeyPatch.context() as patch, ZephrStandIn(access_key, secret_key, ZEPHR_SESSIONS) as zephr:
        patch.setenv("ZEPHR_BASE_URL", zephr.base_url)
        patch.setenv("ZEPHR_ACCESS_KEY", access_key)
        patch.setenv("ZEPHR_SECRET_KEY", secret_key)
        with running("granian", tmp_path_factory.mktemp("fuzz")) as server:
            yield Site(server)


def mostly(chance: int) -> st.SearchStrategy[bool]:
    """True in all but one of `chance` cases; as the simplest value, which Hypothesis prefers."""
    return st.integers(1, chance).map(lambda number: number < chance)


@st.composite
def cases(draw, operation, mode, site):
    """A case as Schemathesis makes it, good or bad, in most of which the doors are opened.

    Bad data is bad in several places at once, and the first of them would hide all others.
    """
    case = draw(operation.as_strategy(mode))
    for name in [name for name in case.headers if name.lower() in FRAMING]:
        del case.headers[name]
    if draw(mostly(10)):
        case.headers["X-API-Key"] = site.key
    if draw(mostly(6)) and case.headers.get("X-API-Version") not in (None, "2025-09-02"):
        del case.headers["X-API-Version"]
    if "id" in case.path_parameters:
        if draw(mostly(3)):
            case.path_parameters["id"] = quote(draw(st.sampled_from(list(ZEPHR_SESSIONS))), safe="")
    elif mode.is_negative and draw(mostly(5)):
        case.path_parameters["playout_id"] = quote(draw(st.sampled_from(PLAYOUTS)), safe="")
    if operation.path.endswith(("/sessions", "/statistics")):
        ask_well(draw, case, operation, site)
    elif operation.method != "post" and "playout_id" in case.path_parameters:
        carry_a_token(draw, case, site)
    return case


def ask_well(draw, case, operation, site):
    """Put a good query in the place of the generated one, mostly."""
    if not draw(mostly(3)):
        return
    names = {parameter.name for parameter in operation.query} - {"next_token"}
    values = {name: st.sampled_from(GOOD_PARAMETERS[name]) for name in sorted(names)}
    case.query = draw(st.fixed_dictionaries({}, optional=values))
    if "next_token" in operation.query and draw(st.booleans()):
        case.query["next_token"] = site.next_token(case.path_parameters["playout_id"], case.query)


def carry_a_token(draw, case, site):
    """Put a good token into the cookie or the header, mostly."""
    place = draw(st.sampled_from(["cookie", "cookie", "header", "header", "nowhere"]))
    token = draw(st.sampled_from(["new", EXAMPLE_TOKEN]))
    token = site.new_token() if token == "new" else token
    if place == "cookie":
        case.cookies[COOKIE] = token
    elif place == "header":
        case.headers["X-JAY-TRACKING"] = token


def is_routed(case) -> bool:
    """Say whether the path reaches the app: the contract leaves all others to the site's own 404."""
    return all(
        "/" not in unquote(value) and unquote(value) not in ("", ".", "..")
        for value in case.path_parameters.values()
    )


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda value: value)
def test_whatever_is_sent_the_answer_is_one_that_the_document_has(site, method, path):
    statuses: collections.Counter[int] = collections.Counter()

    settings = hypothesis.settings(
        max_examples=EXAMPLES // 2,
        # The run of the suite is the same each time; a long one is not.
        derandomize="JAY_FUZZ_EXAMPLES" not in os.environ,
        database=None,
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
        suppress_health_check=list(hypothesis.HealthCheck),
    )

    def knock(case):
        response = case.call(session=site.session, allow_redirects=False)
        statuses[response.status_code] += 1
        if is_routed(case):
            case.validate_response(response, checks=CHECKS)
            assert response.headers["content-type"] == ["application/json"]
        else:
            assert response.status_code == 404

    try:
        for mode in GenerationMode:
            settings(hypothesis.given(case=cases(site.document[path][method], mode, site))(knock))()
    finally:
        good = sum(count for status, count in statuses.items() if status < 300) / max(1, statuses.total())
        seen = ", ".join(f"{status}: {statuses[status]}" for status in sorted(statuses))
        sys.stdout.write(f"\n{method} {path}: {statuses.total()} requests, {good:.0%} 2xx ({seen})\n")
    assert statuses.total() >= EXAMPLES // 2 * 2
    assert good >= GOOD_SHARE
