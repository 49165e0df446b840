from typing import Any

from django.core.management.base import CommandParser

from ...analytics.export import Format
from ...core.identifiers import check_text
from ...core.patterns import WILDCARD
from ...models import TrackingSession, TrackingSessionQuerySet
from .. import exporting
from ..arguments import moment


class Command(exporting.ExportCommand):
    help = (
        "Exports tracking sessions, newest first, as CSV or as lines of JSON. The use of memory "
        "stays constant."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        exporting.add_arguments(parser, Format.CSV)
        parser.add_argument(
            "--playout", metavar="ID", help="a playout id, or the start of playout ids: 'netflix-de*'"
        )
        parser.add_argument("--provider", metavar="NAME", help="a provider")
        parser.add_argument(
            "--user-id",
            metavar="ID",
            help="a user id, or the start of user ids in their stored form: 'partner-*'",
        )
        parser.add_argument("--source", metavar="SOURCE", help="a source")
        parser.add_argument(
            "--from",
            dest="after",
            type=moment,
            metavar="ISO8601",
            help="sessions that started at this time or later",
        )
        parser.add_argument(
            "--to",
            dest="before",
            type=moment,
            metavar="ISO8601",
            help="sessions that started before this time",
        )

    def handle(self, **options: Any) -> None:
        self.write(lambda: _rows(options), options)


def _rows(options: dict[str, Any]) -> TrackingSessionQuerySet:
    rows: TrackingSessionQuerySet = TrackingSession.objects.all()
    playout_id, user_id = options["playout"], options["user_id"]
    if _is_beginning(playout_id):
        rows = rows.starting_with("playout_id", check_text(playout_id.removesuffix(WILDCARD)))
    if _is_beginning(user_id):
        rows = rows.starting_with("user_id", check_text(user_id.removesuffix(WILDCARD)))
    elif user_id is not None:
        rows = rows.of_user(check_text(user_id))
    rows = rows.order_by("-session_id")
    if playout_id is not None and not _is_beginning(playout_id):
        rows = rows.with_value("playout_id", check_text(playout_id))
    for column, text in (("provider_name", options["provider"]), ("source", options["source"])):
        if text is not None:
            rows = rows.filter(**{column: check_text(text)})
    if options["after"] is not None:
        rows = rows.started_from(options["after"])
    if options["before"] is not None:
        rows = rows.started_before(options["before"])
    return rows


def _is_beginning(text: str | None) -> bool:
    return text is not None and text.endswith(WILDCARD)
