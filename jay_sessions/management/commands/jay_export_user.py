from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ... import export, retention
from ...export import Format
from .. import exporting


class Command(BaseCommand):
    help = (
        "Exports all that is stored of a user: the sessions, newest first, whatever form they have the user "
        "id in, and what is known of the Zephr sessions that they are linked to."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user_id", metavar="USER_ID", help="the user id, as clients send it")
        exporting.add_arguments(parser, Format.NDJSON)

    def handle(self, **options: Any) -> None:
        def rows() -> Any:
            return retention.sessions_of_user(options["user_id"]).order_by("-session_id")

        exporting.write(self, rows, options, export.ALL_COLUMNS)
