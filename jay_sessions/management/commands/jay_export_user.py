from typing import Any

from django.core.management.base import CommandParser

from ... import retention
from ...analytics import export
from ...analytics.export import Format
from .. import exporting


class Command(exporting.ExportCommand):
    help = (
        "Exports everything that is stored about a user: the sessions, newest first, in every form in "
        "which the user id is stored, and the data of the linked Zephr sessions."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user_id", metavar="USER_ID", help="the user id, as clients send it")
        exporting.add_arguments(parser, Format.NDJSON)

    def handle(self, **options: Any) -> None:
        def rows() -> Any:
            return retention.sessions_of_user(options["user_id"]).order_by("-session_id")

        self.write(rows, options, export.ALL_COLUMNS)
