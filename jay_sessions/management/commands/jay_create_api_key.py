from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db import router, transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from ...models import ApiKey
from ...models.grants import Scope, default_origins, default_playouts, default_scopes
from ..arguments import moment
from ..base import JayCommand


class Command(JayCommand):
    help = (
        "Creates an API key and prints only the key to standard output. The key cannot be shown again. "
        "If it cannot be printed, it is not stored."
    )

    printed = False

    def so_far(self) -> str:
        return "The key that was printed is not valid." if self.printed else "No key was created."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="a name for the key, such as its owner's name")
        parser.add_argument(
            "--scope",
            dest="scopes",
            action="append",
            choices=Scope.values,
            help="what the key may do; may be repeated (default: tracking)",
        )
        parser.add_argument(
            "--playout",
            dest="playouts",
            action="append",
            metavar="PATTERN",
            help="a pattern of playouts that the key may use, * matches any characters; may be repeated "
            "(default: *)",
        )
        parser.add_argument(
            "--origin",
            dest="origins",
            action="append",
            metavar="ORIGIN",
            help="a web origin that may use the key in a browser, such as https://example.com; may be "
            "repeated (default: any origin)",
        )
        parser.add_argument(
            "--expires-at",
            type=moment,
            metavar="ISO8601",
            help="when the key expires, such as 2027-01-31T00:00:00Z (default: never)",
        )

    def handle(self, **options: Any) -> None:
        expires_at = options["expires_at"]
        if expires_at is not None and expires_at <= timezone.now():
            raise CommandError("--expires-at lies in the past: the key would never be valid.")
        fields = {
            "scopes": list(dict.fromkeys(options["scopes"] or default_scopes())),
            "playouts": options["playouts"] or default_playouts(),
            "origins": options["origins"] or default_origins(),
            "expires_at": expires_at,
        }
        try:
            self._issue(options["name"], fields)
        except ValidationError as error:
            raise CommandError(
                "; ".join(f"{field}: {' '.join(texts)}" for field, texts in error.message_dict.items())
            ) from error

    @sensitive_variables("text")
    def _issue(self, name: str, fields: dict[str, Any]) -> None:
        # The commit comes last: a key that was not printed must not be valid.
        with transaction.atomic(router.db_for_write(ApiKey)):
            _, text = ApiKey.objects.issue(name, **fields)
            self.result(text)
            self.printed = True
