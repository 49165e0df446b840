import json
import subprocess
import sys
from pathlib import Path

import pytest

from jay_sessions.zephr.signature import authorization, sign

VECTORS = json.loads(Path(__file__).with_name("signatures.json").read_text("utf-8"))
REQUEST = {
    "body": b"{}",
    "path": "/v3/sessions/1",
    "query": "a=b",
    "method": "POST",
    "timestamp": 1707230240685,
    "nonce": "n-1",
}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_hash_is_that_of_the_golden_vectors(vector):
    request = {name: vector[name] for name in ("path", "query", "method", "timestamp", "nonce")}
    assert sign(vector["secret_key"], body=vector["body"].encode(), **request) == vector["hash"]


@pytest.mark.parametrize(
    "change",
    [
        {"body": b"{ }"},
        {"path": "/v3/sessions/2"},
        {"query": "a=c"},
        {"method": "PUT"},
        {"timestamp": 1707230240686},
        {"nonce": "n-2"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_changing_one_part_changes_the_hash(change):
    assert sign("secret", **{**REQUEST, **change}) != sign("secret", **REQUEST)


def test_another_secret_key_gives_another_hash():
    assert sign("secret", **REQUEST) != sign("Secret", **REQUEST)


def test_the_method_counts_in_upper_case():
    assert sign("secret", **{**REQUEST, "method": "post"}) == sign("secret", **REQUEST)


def test_the_header_names_scheme_access_key_timestamp_nonce_and_hash():
    value = authorization("access", "secret", **REQUEST)
    assert value == f"ZEPHR-HMAC-SHA256 access:1707230240685:n-1:{sign('secret', **REQUEST)}"
    assert "secret" not in value


def test_signature_session_and_client_need_no_django():
    code = """
import sys
sys.modules["django"] = None
import jay_sessions.zephr.signature, jay_sessions.zephr.session, jay_sessions.zephr.client
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=Path(__file__).parents[2])
