"""Checks whether the database has all tables and columns of the app."""

from django.apps import apps
from django.db import DatabaseError

from . import errors


def look_at(alias: str) -> None:
    """Read at most one row of each table, with all columns. Database errors pass through."""
    for model in apps.get_app_config("jay_sessions").get_models():
        # The newest row: at the old end, the query would walk over rows that a purge has deleted.
        model._default_manager.using(alias).order_by("-pk").first()


def are_missing(alias: str) -> bool:
    """Say whether a table or a column is missing; False if the database cannot be asked."""
    try:
        look_at(alias)
    except DatabaseError as error:
        return errors.is_not_migrated(error)
    return False
