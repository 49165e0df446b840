"""Each fault of Zephr and of the way there, as the endpoint answers it."""

import pytest

from jay_sessions import exceptions
from jay_sessions.zephr import gateway
from project.zephr_demo_sessions import DEMO_SESSIONS
from project.zephr_stand_in import ZephrStandIn

from ..conftest import error_of
from ..support.zephr_faults import ALWAYS, FAULTS, UPSTREAM_WORDS
from ..support.zephr_wire import ACCESS_KEY, KNOWN, SECRET_KEY

pytestmark = pytest.mark.django_db

PATH = f"/v3/sessions/{KNOWN}"
ANSWERS = {
    exceptions.ZephrSessionNotFound: (404, 404, "ZEPHR_SESSION_NOT_FOUND"),
    exceptions.ZephrCredentialsRejected: (502, 503, "ZEPHR_CREDENTIALS_REJECTED"),
    exceptions.ZephrUnavailable: (502, 503, "ZEPHR_UNAVAILABLE"),
    exceptions.ZephrBadResponse: (502, 503, "ZEPHR_BAD_RESPONSE"),
    exceptions.ZephrThrottled: (503, 503, "ZEPHR_THROTTLED"),
    exceptions.ZephrTimeout: (504, 503, "ZEPHR_TIMEOUT"),
}
"""The contract's table."""

WAITS = {"429": 5, "429, Retry-After: 1": 1, "429, Retry-After: 60": 60}


@pytest.fixture
def ask(api, setting):
    """Ask the endpoint, behind which Zephr is at this URL."""

    def ask(base_url, timeout):
        pair = {"ACCESS_KEY": ACCESS_KEY, "SECRET_KEY": SECRET_KEY}
        setting(ZEPHR={"BASE_URL": base_url, **pair, "TIMEOUT": timeout, "NOT_FOUND_CACHE_TIMEOUT": 0})
        return api.get(PATH)

    yield ask
    gateway._processes.clear()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_answered_as_the_contract_says_and_is_over_when_it_is_over(ask, name, caplog):
    fault = FAULTS[name]
    with ZephrStandIn(ACCESS_KEY, SECRET_KEY) as stand_in:
        with fault.happening(stand_in, ALWAYS) as base_url:
            response = ask(base_url, fault.timeout)
        assert error_of(response) == ANSWERS[fault.error]
        assert response.get("Retry-After") == (str(WAITS[name]) if name in WAITS else None)
        assert response["Cache-Control"] == "no-store"
        told = response.content.decode() + str(response.headers) + caplog.text
        for secret in (ACCESS_KEY, SECRET_KEY, UPSTREAM_WORDS, KNOWN):
            assert secret not in told
        healthy = ask(stand_in.base_url, fault.timeout)
        assert (healthy.status_code, healthy.json()) == (200, DEMO_SESSIONS[KNOWN])


def test_every_failure_of_the_contract_has_its_fault():
    assert {fault.error for fault in FAULTS.values()} == set(ANSWERS)
