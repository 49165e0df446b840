from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ...models import ApiKey


class Command(BaseCommand):
    help = "Revokes every API key of this name. What they created stays."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="whose keys to revoke")

    def handle(self, **options: Any) -> None:
        keys = ApiKey.objects.filter(name=options["name"])
        if not keys.exists():
            raise CommandError(f'There is no API key named "{options["name"]}".')
        self.stdout.write(f"{keys.revoke()} revoked.")
