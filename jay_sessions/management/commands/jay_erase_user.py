from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ... import retention
from ...database.errors import translating_errors
from ...exceptions import InvalidValue
from ..base import JayCommand


class Command(JayCommand):
    help = (
        "Removes a user's id from all sessions, in every form in which it is stored, and deletes the "
        "data of the linked Zephr sessions. The sessions stay, without a user. This cannot be undone. A "
        "keyed hash of the id is stored, so that jay_import_sessions does not import the user's id "
        "again."
    )

    erased = 0

    def so_far(self) -> str:
        return f"{self.erased:,} sessions are erased. Others may be left: run the command again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user_id", nargs="?", metavar="USER_ID", help="the user id, as clients send it")
        parser.add_argument(
            "--noted",
            action="store_true",
            help="erase all users that were erased before, instead of one user, in sessions that "
            "started before the erasure; use it after you restore a backup",
        )

    def handle(self, **options: Any) -> None:
        if (options["user_id"] is None) is not options["noted"]:
            raise CommandError("Give a user id or --noted.")
        try:
            with translating_errors():
                total = _sessions(options).count()
            with self.progress(total) as progress:
                for looked_at, count in _erase(options):
                    self.erased += count
                    progress.add(looked_at)
        except InvalidValue as error:
            raise CommandError(f"Nobody can have this user id: {error}") from error
        self.report(f"{self.erased:,} session{'' if self.erased == 1 else 's'} erased.")


def _sessions(options: dict[str, Any]) -> Any:
    return retention.noted_sessions() if options["noted"] else retention.sessions_of_user(options["user_id"])


def _erase(options: dict[str, Any]) -> Iterator[tuple[int, int]]:
    if options["noted"]:
        yield from retention.erase_noted()
    else:
        yield from ((count, count) for count in retention.erase_user(options["user_id"]))
