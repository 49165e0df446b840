"""A request costs one look-up of the API key; a POST one row more.

With KEY_CACHE_SECONDS in the environment, a key that was found is not looked up again for so long.
"""

import base64
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from time import monotonic
from typing import Annotated
from uuid import UUID, uuid4

import asyncpg
from fastapi import Cookie, Depends, FastAPI, Header, HTTPException, Request, Response, Security
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

DATABASE_URL = os.environ["DATABASE_URL"]
KEY_CACHE_SECONDS = float(os.environ.get("KEY_CACHE_SECONDS", "0"))
POOL_SIZE = 16
PATH = "/playouts/{playout_id}/tracking/session"
SOURCE = "jay.api.playout.1.0.0"
COOKIE, HEADER = "__Secure-jay_tracking", "X-JAY-TRACKING"

SELECT_KEY = "SELECT id FROM api_key WHERE digest = $1 AND NOT revoked"
INSERT_SESSION = """
INSERT INTO tracking_session (session_id, playout_id, provider_name, user_id, source, started_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""


class Session(BaseModel):
    """In snake case it is the token, in camel case the answer."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    session_id: UUID
    start_time: str
    source: str
    user_id: str | None = None
    provider_name: str


class Envelope(BaseModel):
    data: Session


class NoSession(Exception):
    pass


async def keep_session(connection: asyncpg.Connection) -> None:
    """Instead of the pool's round trip to reset what nobody here ever sets."""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(
        DATABASE_URL, min_size=POOL_SIZE, max_size=POOL_SIZE, reset=keep_session
    ) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)
known_keys: dict[str, tuple[int, float]] = {}


@app.exception_handler(NoSession)
async def no_session(request: Request, error: NoSession) -> JSONResponse:
    message = "No tracking session found or session data is invalid"
    body = {"error": {"code": 1001, "message": message, "details": "TRACKING_NOT_VALID"}}
    return JSONResponse(body, status_code=400)


async def pool_of(request: Request) -> asyncpg.Pool:
    return request.app.state.pool


Pool = Annotated[asyncpg.Pool, Depends(pool_of)]
ApiKey = Annotated[str, Security(APIKeyHeader(name="X-API-Key"))]


async def check_key(pool: Pool, api_key: ApiKey) -> int:
    digest = hashlib.sha256(api_key.encode()).hexdigest()
    if KEY_CACHE_SECONDS and (known := known_keys.get(digest)) and monotonic() < known[1]:
        return known[0]
    found = await pool.fetchval(SELECT_KEY, digest)
    if found is None:
        raise HTTPException(401, "Unknown API key")
    if KEY_CACHE_SECONDS:
        known_keys[digest] = found, monotonic() + KEY_CACHE_SECONDS
    return found


@app.post(PATH, dependencies=[Depends(check_key)], response_model_exclude_none=True)
async def start(playout_id: str, response: Response, pool: Pool, user_id: str | None = None) -> Envelope:
    now = datetime.now(UTC)
    session = Session(
        session_id=uuid4(),
        start_time=now.replace(tzinfo=None).isoformat(timespec="microseconds"),
        source=SOURCE,
        user_id=user_id,
        provider_name=playout_id.partition("-")[0],
    )
    row = (session.session_id, playout_id, session.provider_name, user_id, SOURCE, now)
    await pool.execute(INSERT_SESSION, *row)
    token = base64.b64encode(session.model_dump_json(exclude_none=True).encode()).decode()
    response.headers[HEADER] = token
    response.set_cookie(COOKIE, token, path="/", secure=True, httponly=True, samesite="lax")
    return Envelope(data=session)


@app.get(PATH, dependencies=[Depends(check_key)], response_model_exclude_none=True)
async def read(
    playout_id: str,
    cookie: Annotated[str | None, Cookie(alias=COOKIE)] = None,
    header: Annotated[str | None, Header(alias=HEADER)] = None,
) -> Envelope:
    try:
        text = base64.b64decode(cookie or header or "", validate=True)
        return Envelope(data=Session.model_validate_json(text))
    except ValueError:
        raise NoSession from None
