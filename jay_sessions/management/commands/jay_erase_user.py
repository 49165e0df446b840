from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ... import retention
from ...exceptions import InvalidValue, StoreUnavailable
from ...store import available
from ..progress import Progress


class Command(BaseCommand):
    help = (
        "Takes a user's id off all sessions, whatever form they have it in, and deletes what is known of the "
        "Zephr sessions that they are linked to. The sessions stay, as nobody's. It cannot be undone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user_id", metavar="USER_ID", help="the user id, as clients send it")

    def handle(self, **options: Any) -> None:
        user_id, erased = options["user_id"], 0
        try:
            with available():
                total = retention.sessions_of_user(user_id).count()
            with Progress(total, self.stderr) as progress:
                for count in retention.erase_user(user_id):
                    erased += count
                    progress.add(count)
        except InvalidValue as error:
            raise CommandError(f"Nobody can have this user id: {error}") from error
        except StoreUnavailable as error:
            raise CommandError(
                f"{error} {erased:,} sessions are erased, others may be left: run it again."
            ) from error
        except KeyboardInterrupt:
            raise CommandError(f"Stopped. {erased:,} sessions are erased, others are left.") from None
        self.stdout.write(f"{erased:,} session{'' if erased == 1 else 's'} erased.")
