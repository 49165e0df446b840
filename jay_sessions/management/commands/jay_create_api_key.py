from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from ...grants import Scope, default_origins, default_playouts, default_scopes
from ...models import ApiKey
from ..arguments import moment


class Command(BaseCommand):
    help = "Creates an API key and prints it, alone, on standard output. It cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="whose key it is")
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
            help="which playouts it may use, * for any characters; may be repeated (default: *)",
        )
        parser.add_argument(
            "--origin",
            dest="origins",
            action="append",
            metavar="ORIGIN",
            help="where a browser may use it, as https://example.com; may be repeated (default: anywhere)",
        )
        parser.add_argument(
            "--expires-at",
            type=moment,
            metavar="ISO8601",
            help="until when, as 2027-01-31T00:00:00Z (default: for ever)",
        )

    def handle(self, **options: Any) -> None:
        expires_at = options["expires_at"]
        if expires_at is not None and expires_at <= timezone.now():
            raise CommandError("--expires-at lies in the past: the key would never be valid.")
        try:
            _, text = ApiKey.objects.issue(
                options["name"],
                scopes=list(dict.fromkeys(options["scopes"] or default_scopes())),
                playouts=options["playouts"] or default_playouts(),
                origins=options["origins"] or default_origins(),
                expires_at=expires_at,
            )
        except ValidationError as error:
            raise CommandError(
                "; ".join(f"{field}: {' '.join(texts)}" for field, texts in error.message_dict.items())
            ) from error
        self.stdout.write(text)
