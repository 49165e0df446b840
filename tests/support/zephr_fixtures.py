"""Fixtures for the tests of the Zephr client, which name this module as their plugin."""

import contextlib

import pytest
import requests

from jay_sessions.zephr.client import ZephrClient
from project.zephr_stand_in import ZephrStandIn

from .zephr_tls import TRUSTED, server_context
from .zephr_wire import ACCESS_KEY, SECRET_KEY


@pytest.fixture
def zephr():
    with ZephrStandIn(ACCESS_KEY, SECRET_KEY) as stand_in:
        yield stand_in


@pytest.fixture
def connect():
    """Make clients with the right key pair, which are closed after the test."""
    with contextlib.ExitStack() as stack:

        def make(base_url, access_key=ACCESS_KEY, secret_key=SECRET_KEY, **options):
            return stack.enter_context(
                contextlib.closing(ZephrClient(base_url, access_key, secret_key, **options))
            )

        yield make


@pytest.fixture
def zephr_client(zephr, connect):
    return connect(zephr.base_url)


@pytest.fixture
def one_try(zephr, connect):
    """A client that tries once, for what a single exchange comes to."""
    return connect(zephr.base_url, max_attempts=1)


@pytest.fixture
def secure(zephr):
    """The base URL of a Zephr under TLS, with a certificate that only `bundle` trusts."""
    context = server_context(TRUSTED)
    zephr.welcome = lambda connection: context.wrap_socket(connection, server_side=True)
    return zephr.base_url.replace("http:", "https:")


@pytest.fixture
def bundle(tmp_path):
    """The path of a file with that certificate."""
    path = tmp_path / "our-ca.pem"
    path.write_text(TRUSTED)
    return str(path)


@pytest.fixture
def trusting(tmp_path):
    """A session of requests that trusts the one certificate."""
    path = tmp_path / "trusted.pem"
    path.write_text(TRUSTED)
    with requests.Session() as session:
        session.verify = str(path)
        yield session
