from typing import Any

from django.core.management.base import CommandError, CommandParser

from ... import conf
from ...exceptions import InvalidValue, ZephrError
from ...zephr import advice, ping
from ..base import JayCommand


class Command(JayCommand):
    requires_migrations_checks = False
    help = (
        "Checks with Zephr that the tenant, the key pair and the clock are right. If one is wrong, it "
        "says how to correct it. It sends two requests, without the cache and the circuit breaker."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--session", metavar="ID", help="also fetch this session and confirm that it exists"
        )

    def handle(self, **options: Any) -> None:
        zephr = conf.get().zephr
        if zephr is None:
            raise CommandError(
                "Zephr is not configured. Set JAY_SESSIONS['ZEPHR'] to a dict with TENANT (or BASE_URL), "
                "ACCESS_KEY and SECRET_KEY."
            )
        if warning := ping.warning(zephr):
            self.stderr.write(self.style.WARNING(warning))
        for line in ping.way(zephr):
            self.stdout.write(line)
        try:
            for line in ping.ping(zephr):
                self.report(line)
            if options["session"] is not None:
                self.report(ping.fetch(zephr, options["session"]))
        except InvalidValue as error:
            raise CommandError(f"--session: {error}") from error
        except ZephrError as error:
            raise CommandError(advice.in_words(error)) from error
