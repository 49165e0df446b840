"""The signature of a request to Zephr's Admin API, by Zephr's documentation."""

import hashlib

SCHEME = "ZEPHR-HMAC-SHA256"


def sign(
    secret_key: str, *, body: bytes, path: str, query: str, method: str, timestamp: int, nonce: str
) -> str:
    """Return the SHA-256 hash over the secret key and the request, as 64 hexadecimal digits.

    `path` and `query` are as sent, percent-encoded, without host and without `?`;
    `body` is empty for GET; `timestamp` is in milliseconds since the epoch.
    """
    # Zephr's documentation gives this order, without separators.
    digest = hashlib.sha256(secret_key.encode())
    digest.update(body)
    digest.update(f"{path}{query}{method.upper()}{timestamp}{nonce}".encode())
    return digest.hexdigest()


def authorization(
    access_key: str,
    secret_key: str,
    *,
    body: bytes,
    path: str,
    query: str,
    method: str,
    timestamp: int,
    nonce: str,
) -> str:
    """Return the value of the header `Authorization`; the parameters are those of `sign`.

    Zephr accepts each nonce once, and only a timestamp near its own clock.
    """
    digest = sign(
        secret_key, body=body, path=path, query=query, method=method, timestamp=timestamp, nonce=nonce
    )
    return f"{SCHEME} {access_key}:{timestamp}:{nonce}:{digest}"
