"""Routers of plain sites with two databases."""

from typing import Any


class Apart:
    """Sessions have a database of their own, `sessions`."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return "sessions" if model._meta.app_label == "jay_sessions" else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return (app_label == "jay_sessions") == (db == "sessions")


class Replica:
    """What is read comes from `replica`, which lags behind so far that it has nothing."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "replica"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"
