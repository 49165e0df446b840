"""The base of all commands: their output, and one line instead of a traceback."""

import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, InterfaceError, InternalError, OperationalError, connections, router

from ..database.errors import is_forbidden, migrate, reason
from ..exceptions import StoreBusy, StoreLacksPartition, StoreNotMigrated, StoreUnavailable
from .progress import Progress

STOPPERS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Signals that stop a command as Ctrl-C does: a container is stopped, a terminal is closed."""

SIGNALLED = 128
"""Shells add a signal's number to this, for the exit code of a program that the signal has ended."""

RIGHTS = "Give the site's database user the rights to the app's tables."


class JayCommand(BaseCommand):
    """A command that prints its result to standard output and everything else by `verbosity`.

    An error of the database, the settings or standard output becomes a CommandError of one line;
    `--traceback` shows its cause.
    """

    requires_migrations_checks = True

    _called_from_command_line: bool

    def __init__(self, stdout: Any = None, stderr: Any = None, **options: Any) -> None:
        # Python sets a closed stream to None.
        out: Any = stdout or sys.stdout or _Closed()
        super().__init__(out, stderr or sys.stderr or io.StringIO(), **options)

    def so_far(self) -> str:
        """Return sentences about what is done and what is left, to add to an error."""
        return ""

    def execute(self, *args: Any, **options: Any) -> Any:
        self.verbosity = options["verbosity"]
        try:
            with self._stoppable():
                return super().execute(*args, **options)
        except (StoreUnavailable, Error) as error:
            raise CommandError(f"{_reason(error)} {self.so_far()}".strip()) from error
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as stopped:
            code = SIGNALLED + getattr(stopped, "number", signal.SIGINT)
            raise CommandError(f"Stopped. {self.so_far()}".strip(), returncode=code) from None

    @contextlib.contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Let `STOPPERS` raise KeyboardInterrupt, so that no part of a file is left; not what is ignored."""
        # Only a program's main thread may do this, and a program may have its own handlers.
        numbers = STOPPERS if self._called_from_command_line else []
        changed = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
        for number in changed:
            signal.signal(number, _stop)
        try:
            yield
        finally:
            for number in changed:
                signal.signal(number, signal.SIG_DFL)

    def check_migrations(self) -> None:
        """Raise CommandError unless the database answers and has the app's tables."""
        wanted: dict[str, set[str]] = {}
        for model in apps.get_app_config("jay_sessions").get_models():
            wanted.setdefault(router.db_for_write(model), set()).add(model._meta.db_table)
        for alias, tables in wanted.items():
            try:
                there = connections[alias].introspection.table_names(include_views=True)
            except Error as error:
                raise CommandError(
                    f"{_reason(error)} Check that it is running and that DATABASES is right."
                ) from error
            if missing := sorted(tables.difference(there)):
                raise CommandError(f'The database "{alias}" has no table {missing[0]}. Run: {migrate(alias)}')

    def progress(self, total: int) -> Progress:
        """Return a progress bar for `total` things; with `verbosity` 0 it shows nothing."""
        return Progress(total, self.stderr if self.verbosity else None)

    def report(self, text: str) -> None:
        """Print a line about the work, unless `verbosity` is 0."""
        if self.verbosity:
            self.result(text)

    def result(self, text: str) -> None:
        """Print the command's result, whatever `verbosity` is. Raises CommandError if that fails."""
        try:
            self.stdout.write(text)
            self.stdout.flush()
        except OSError as error:
            self.output_failed(error, "Standard output cannot be written")

    def output_failed(self, error: OSError, what: str) -> NoReturn:
        """Raise CommandError with the sentence `what`, the reason, and `so_far`."""
        self.forget_output()
        raise CommandError(f"{what}: {error.strerror or error}. {self.so_far()}".strip()) from error

    def forget_output(self) -> None:
        """Discard buffered output that cannot be printed, so that the program ends without another error."""
        if self._called_from_command_line and sys.stdout is not None:
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Stopped(KeyboardInterrupt):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def _stop(number: int, frame: object) -> NoReturn:
    raise _Stopped(number)


class _Closed(io.TextIOBase):
    """Standard output that was closed before the program began."""

    def write(self, text: str) -> int:
        raise OSError(errno.EBADF, "it is closed")


def _reason(error: BaseException) -> str:
    if isinstance(error, (StoreBusy, StoreLacksPartition, StoreNotMigrated)):
        return str(error)
    if isinstance(error, StoreUnavailable):
        error = error.__cause__ or error
    if isinstance(error, (StoreUnavailable, InterfaceError, InternalError, OperationalError)):
        return f"The database is unavailable: {reason(error).rstrip('.')}."
    if is_forbidden(error):
        return f"The database refuses it: {reason(error).rstrip('.')}. {RIGHTS}"
    return f"The database refuses it: {reason(error).rstrip('.')}. Is it migrated? Run: {migrate()}."
