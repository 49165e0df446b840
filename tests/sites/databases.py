"""The databases, as the lines that a site's owner adds to its settings."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from . import postgres

ENGINE = "django.db.backends.postgresql"

ROUTER = '''
class SessionsElsewhere:
    """The app's tables are on the database "sessions", all others on "default"."""

    def db_for_read(self, model, **hints):
        return "sessions" if model._meta.app_label == "jay_sessions" else None

    db_for_write = db_for_read

    def allow_migrate(self, db, app_label, **hints):
        return (db == "sessions") == (app_label == "jay_sessions")
'''


# PyMySQL stands in for mysqlclient, which has to be compiled, and these facts for a server: Django's own
# checks ask for them.
MYSQL = """
import pymysql

pymysql.version_info = (2, 2, 7, "final", 0)
pymysql.install_as_MySQLdb()

from django.db.backends.mysql.base import DatabaseWrapper

DatabaseWrapper.mysql_server_data = {
    "version": "11.4.2-MariaDB",
    "sql_mode": "STRICT_TRANS_TABLES",
    "default_storage_engine": "InnoDB",
    "sql_auto_is_null": False,
    "lower_case_table_names": False,
    "has_zoneinfo_database": True,
}
DATABASES = {"default": {"ENGINE": "django.db.backends.mysql", "NAME": "site"}}
"""


@dataclasses.dataclass(frozen=True)
class Ready:
    """A database that a site can use: the lines of its settings, and the module of a router, if any."""

    lines: str
    router: str = ""


Opened = Callable[[str, Path], "contextlib.AbstractContextManager[Ready]"]


@dataclasses.dataclass(frozen=True)
class Database:
    """A database: how it is made ready for a site's name and folder, and the package of its driver."""

    open: Opened
    driver: str = ""
    writers: int = 8
    """Requests at the same time that it has to bear."""
    aliases: tuple[str, ...] = ("default",)

    @property
    def on_postgresql(self) -> bool:
        """Whether a PostgreSQL server is needed."""
        return self.driver.startswith("psycopg")


@contextlib.contextmanager
def _sqlite(site: str, room: Path) -> Iterator[Ready]:
    yield Ready("")


@contextlib.contextmanager
def _memory(site: str, room: Path) -> Iterator[Ready]:
    yield Ready('DATABASES["default"]["NAME"] = ":memory:"\n')


@contextlib.contextmanager
def _mysql(site: str, room: Path) -> Iterator[Ready]:
    yield Ready(MYSQL)


def _by_hand(*statements: str, pooled: bool = False, **more: Any) -> Opened:
    @contextlib.contextmanager
    def opened(site: str, room: Path) -> Iterator[Ready]:
        with contextlib.ExitStack() as stack:
            address = stack.enter_context(postgres.database(site, *statements))
            if pooled:
                address = stack.enter_context(postgres.pgbouncer(address, room / "pgbouncer"))
            yield Ready(f"DATABASES = {{'default': {dict(ENGINE=ENGINE, **address, **more)!r}}}\n")

    return opened


@contextlib.contextmanager
def _two(site: str, room: Path) -> Iterator[Ready]:
    with postgres.database(site) as address:
        yield Ready(
            f"DATABASES['sessions'] = {dict(ENGINE=ENGINE, **address)!r}\n"
            "DATABASE_ROUTERS = ['mysite.routers.SessionsElsewhere']\n",
            ROUTER,
        )


DATABASES = {
    "SQLite, file": Database(_sqlite, writers=1),
    "SQLite, memory": Database(_memory, writers=1),
    "PostgreSQL": Database(_by_hand(), "psycopg"),
    "PostgreSQL, psycopg's pool": Database(_by_hand(OPTIONS={"pool": True}), "psycopg"),
    "PostgreSQL, psycopg 2": Database(_by_hand(), "psycopg2-binary"),
    "PostgreSQL, PgBouncer": Database(_by_hand(pooled=True), "psycopg"),
    "PostgreSQL, search_path": Database(
        _by_hand("CREATE SCHEMA jay", OPTIONS={"options": "-c search_path=jay"}), "psycopg"
    ),
    "PostgreSQL, ATOMIC_REQUESTS": Database(_by_hand(ATOMIC_REQUESTS=True), "psycopg"),
    "two databases and a router": Database(_two, "psycopg", aliases=("default", "sessions")),
    "MySQL": Database(_mysql, "pymysql"),
}
