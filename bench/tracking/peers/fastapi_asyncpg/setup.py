"""Make the tables and a key, which is the last line that it prints."""

import asyncio
import hashlib
import os
import secrets

import asyncpg

TABLES = """
CREATE TABLE api_key (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest char(64) NOT NULL UNIQUE,
    revoked boolean NOT NULL DEFAULT false
);
CREATE TABLE tracking_session (
    session_id uuid PRIMARY KEY,
    playout_id varchar(255) NOT NULL,
    provider_name varchar(255) NOT NULL,
    user_id varchar(255),
    source varchar(64) NOT NULL,
    started_at timestamptz NOT NULL
);
"""


async def main() -> None:
    key = secrets.token_urlsafe(32)
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    await connection.execute(TABLES)
    digest = hashlib.sha256(key.encode()).hexdigest()
    await connection.execute("INSERT INTO api_key (digest) VALUES ($1)", digest)
    await connection.close()
    print(key)


if __name__ == "__main__":
    asyncio.run(main())
