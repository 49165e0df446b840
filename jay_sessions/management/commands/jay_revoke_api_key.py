from typing import Any

from django.core.management.base import CommandError, CommandParser

from ...core.identifiers import check_text
from ...exceptions import InvalidValue
from ...models import ApiKey
from ..base import JayCommand


class Command(JayCommand):
    help = "Revokes every API key with this name. The sessions that were created with these keys stay."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="the name of the keys")

    def handle(self, **options: Any) -> None:
        try:
            keys = ApiKey.objects.primary().filter(name=check_text(options["name"].strip()))
        except InvalidValue as error:
            raise CommandError(f"No API key can have this name: {error}") from error
        if not keys.exists():
            raise CommandError(f'There is no API key named "{options["name"]}".')
        self.report(f"{keys.revoke()} revoked.")
