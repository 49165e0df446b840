"""Asks the database something, with a time limit, and a second time if the connection was lost."""

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import InterfaceError, InternalError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from .. import conf
from ..exceptions import StoreUnavailable
from . import suspects
from .deadlines import Deadline, connect, connecting
from .errors import code_of

T = TypeVar("T")

FAILURES = (InterfaceError, InternalError, OperationalError)
"""Django's exceptions for a database that cannot do it now, but perhaps later."""

LONG = 30.0
"""Seconds for queries that read many rows: lists, statistics and the admin."""


def queue_timeout() -> float:
    """Return the seconds that a request waits for others' queries: both tries of one, and a margin."""
    return 3 * conf.get().database_timeout


def attempt(
    connection: BaseDatabaseWrapper,
    use: Callable[[bool], T],
    *,
    seconds: float | None = None,
    replica: BaseDatabaseWrapper | None = None,
) -> T:
    """Call `use`, which asks the database over the connection, and return its result.

    `use` gets `seconds` for each call, by default `DATABASE_TIMEOUT`. The first call is `use(False)`. If an
    idle connection turns out to be lost, silent or read-only, `use(True)` follows; the first call may have
    taken effect. Inside a transaction of the caller, `use` is called only once. Database errors pass through;
    `use` may also raise StoreUnavailable from one.

    `replica` is a second connection, over which `use` reads. The same is true of it, but `use` opens it.
    """
    tried = _begun(connection, seconds, replica)
    try:
        value = tried.make(lambda: use(False))
        if not tried.was_outdated:
            return value
    except (*FAILURES, StoreUnavailable):
        if not tried.was_outdated:
            raise
    return tried.make(lambda: use(True))


def once(
    connection: BaseDatabaseWrapper,
    use: Callable[[], T],
    *,
    seconds: float | None = None,
    replica: BaseDatabaseWrapper | None = None,
) -> T:
    """As `attempt`, but `use` is called only once; `seconds` are for each of its statements."""
    return _begun(connection, seconds, replica).make(use, for_each=True)


def _begun(
    connection: BaseDatabaseWrapper, seconds: float | None, replica: BaseDatabaseWrapper | None
) -> "_Attempt | _WithReplica":
    tried = _Attempt(connection, seconds)
    return tried if replica is None else _WithReplica(tried, _Attempt(replica, seconds, opens=False))


class _Attempt:
    """One or two calls over a connection. With `opens`, each opens it first."""

    def __init__(self, connection: BaseDatabaseWrapper, seconds: float | None, *, opens: bool = True) -> None:
        self._connection = connection
        self._seconds = conf.get().database_timeout if seconds is None else seconds
        self._opens = opens
        self._is_the_callers = connection.in_atomic_block
        self._is_outdated = False
        suspects.close_if_doubted(connection)
        self._had_slept = connection.connection is not None and not self._is_the_callers

    @property
    def was_outdated(self) -> bool:
        """Whether the connection was open, turned out to be useless, and is closed now."""
        return self._had_slept and self._is_outdated

    def make(self, use: Callable[[], T], *, for_each: bool = False) -> T:
        connection = self._connection
        deadline = Deadline(connection, self._seconds)
        renewed = connection.execute_wrapper(_renewing(deadline)) if for_each else contextlib.nullcontext()
        if self._is_the_callers:
            with deadline, renewed:
                return use()
        with deadline, renewed:
            try:
                value = self._used(use, deadline)
            except (*FAILURES, StoreUnavailable) as error:
                self._judge(error, is_silent=deadline.is_past)
                raise
        if deadline.is_past or suspects.has_turned_read_only(connection):
            self._is_outdated = not deadline.is_past
            self._give_up(doubt=True)
        return value

    def _used(self, use: Callable[[], T], deadline: Deadline) -> T:
        if not self._opens:
            with connecting(self._connection, self._seconds):
                return use()
        connect(self._connection, self._seconds)
        if suspects.is_pooled(self._connection):
            # The wait for the pool does not count.
            deadline.begin_anew()
        return use()

    def _judge(self, error: BaseException, *, is_silent: bool) -> None:
        if isinstance(error, StoreUnavailable) and error.__cause__ is not None:
            error = error.__cause__
        if self._connection.connection is None and suspects.is_pooled(self._connection):
            suspects.doubt_pool(self._connection)
        doubt = is_silent or code_of(error) == suspects.READ_ONLY
        if doubt or _is_lost(self._connection):
            self._is_outdated = True
            self._give_up(doubt=doubt)

    def _give_up(self, *, doubt: bool) -> None:
        if doubt:
            suspects.doubt(self._connection)
        self._connection.close()


class _WithReplica:
    """An attempt that uses two connections. Each is judged by itself; both have the same calls."""

    def __init__(self, primary: _Attempt, replica: _Attempt) -> None:
        self._primary, self._replica = primary, replica

    @property
    def was_outdated(self) -> bool:
        return self._primary.was_outdated or self._replica.was_outdated

    def make(self, use: Callable[[], T], *, for_each: bool = False) -> T:
        return self._primary.make(lambda: self._replica.make(use, for_each=for_each), for_each=for_each)


def _renewing(deadline: Deadline) -> Callable[..., Any]:
    def execute(execute: Callable[..., Any], *statement: Any) -> Any:
        deadline.begin_anew()
        return execute(*statement)

    return execute


def _is_lost(connection: BaseDatabaseWrapper) -> bool:
    if connection.vendor == "postgresql":
        # Does not ask the server, because it may be silent.
        return connection.connection is None or bool(connection.connection.closed)
    return not connection.is_usable()
