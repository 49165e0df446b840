import uuid
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ... import ending
from ...core.uuid7 import shortened
from ...exceptions import InvalidValue
from ...retention import sessions_of_user
from ..arguments import session_id
from ..base import JayCommand


class Command(JayCommand):
    help = (
        "Ends sessions as an operator: those with the given ids, or all of a user. Their tokens are no "
        "longer valid. A session that has ended or expired does not change. An id counts as a session even "
        "if no session with it is stored. This cannot be undone."
    )

    ended = 0

    def so_far(self) -> str:
        return f"{self.ended:,} sessions are ended. Others may be left: run the command again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "session_ids", nargs="*", type=session_id, metavar="SESSION_ID", help="the id of a session"
        )
        parser.add_argument(
            "--user", metavar="USER_ID", help="all sessions of this user, as clients send the id"
        )

    def handle(self, *, session_ids: list[uuid.UUID], user: str | None, **options: Any) -> None:
        if (user is None) is not bool(session_ids):
            raise CommandError("Give session ids or --user.")
        if user is None:
            self._end_each(session_ids)
        else:
            self._end_all(user)
        self.report(f"{self.ended:,} session{'' if self.ended == 1 else 's'} ended.")

    def _end_each(self, session_ids: list[uuid.UUID]) -> None:
        for pk in session_ids:
            if ending.end_by_id(pk):
                self.ended += 1
            else:
                self.stderr.write(f"{shortened(pk)} had ended or expired before.")

    def _end_all(self, user_id: str) -> None:
        try:
            rows = sessions_of_user(user_id).order_by("session_id")
        except InvalidValue as error:
            raise CommandError(f"Nobody can have this user id: {error}") from error
        for count in ending.end_each(rows):
            self.ended += count
