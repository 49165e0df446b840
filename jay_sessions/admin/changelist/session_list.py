"""The session list: the sessions of its filters and its search, as pages without numbers."""

import datetime
import functools
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, cast

from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from ... import conf
from ...analytics.occurrences import EVERYWHERE, both
from ...core.identifiers import check_text, shortened
from ...core.patterns import WILDCARD
from ...core.uuid7 import moment_of
from ...exceptions import InvalidValue
from ...models import TrackingSession, TrackingSessionQuerySet
from .filters import Access
from .moments import make_showable
from .paging import MAX_COUNTED, OLDEST, Cursor, Page, Route, Wanted, page
from .strict import Refused, StrictList

_CURSORS = ("before", "after")
_IN_ORDER = ("-session_id",)


class SessionList(StrictList):
    """Its rows are always in the order of their ids, whatever the URL says, so a page costs only its rows."""

    page: Page
    cursor: Cursor
    wanted: Wanted
    searched: Sequence[TrackingSessionQuerySet] | None = None
    """The rows that the search finds, by column; None without a search."""

    def __init__(self, request: HttpRequest, *args: Any) -> None:
        super().__init__(request, *args)
        for name in _CURSORS:
            self.params.pop(name, None)
            self.filter_params.pop(name, None)

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        filters: dict[str, Any] = super().get_filters_params(params)
        return {name: values for name, values in filters.items() if name not in _CURSORS}

    def get_ordering(self, request: HttpRequest, queryset: Any) -> list[Any]:
        return [*_IN_ORDER]

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> Any:
        rows = super().get_queryset(request, exclude_parameters)
        term = self.query.strip()
        if not term:
            return rows
        if self.searched is None:
            alternatives = _alternatives(term, self._in_period(request))
            self.searched = [rows for rows in alternatives if rows.values_list("session_id").first()]
        either = TrackingSession.objects.none()
        for alternative in self.searched:
            either |= alternative
        return (rows & either).order_by(*_IN_ORDER)

    def get_results(self, request: HttpRequest) -> None:
        self.cursor = _cursor(request)
        self.wanted = self._wanted(request)
        self.page = page(self.wanted, self.cursor, self.list_per_page)
        self.result_list = self.page.rows
        make_showable(self.result_list)
        # Django's count is not used: the list's own templates show one.
        self.result_count = self.full_result_count = len(self.page.rows)
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = True
        self.paginator = None

    @functools.cached_property
    def count_in_words(self) -> str:
        """The number of matching sessions, exact up to 10,000; empty if only a further scan could tell."""
        count = self.wanted.count()
        if count is None:
            return number_format(0) if self._has_none else ""
        if count <= MAX_COUNTED:
            return number_format(count, force_grouping=True)
        estimate = None if self.asks_for_something else TrackingSession.objects.estimated_count()
        if estimate is not None and estimate > MAX_COUNTED:
            return _("about %s") % number_format(_rounded(estimate), force_grouping=True)
        return _("more than %s") % number_format(MAX_COUNTED, force_grouping=True)

    @property
    def _has_none(self) -> bool:
        """Whether a search of all sessions has found none."""
        is_an_end = self.cursor in (Cursor(), OLDEST)
        return is_an_end and not self.page.rows and self.page.looked_up_to is None

    def parts(self, rows: TrackingSessionQuerySet) -> Iterator[TrackingSessionQuerySet]:
        """Yield the rows of the list, newest first, without times in which there are none."""
        return (span.of(rows) for span in self.wanted.spans)

    @property
    def asks_for_something(self) -> bool:
        """Whether a filter or a search narrows the list."""
        return bool(self.get_filters_params() or self.query.strip())

    @property
    def has_other_pages(self) -> bool:
        """Whether matching sessions on other pages are known."""
        return self.page.newer is not None or self.page.older is not None

    @property
    def looked_up_to(self) -> datetime.datetime | None:
        """The start of the last searched session if the page stopped its search, else None."""
        return None if self.page.looked_up_to is None else moment_of(self.page.looked_up_to)

    def links(self) -> Iterator[tuple[str, str]]:
        """Yield the texts and the query strings of the links to other pages."""
        is_first, is_last = self.cursor == Cursor(), self.page.older is None
        for text, cursor in (
            (_("Newest"), None if is_first else Cursor()),
            (_("Newer"), self.page.newer),
            (_("Older"), self.page.older),
            (_("Oldest"), None if is_last else OLDEST),
        ):
            if cursor is not None:
                yield text, self._query(cursor)

    @property
    def further(self) -> str:
        """The query string of the page that continues the search of this one."""
        return self._query(self.page.newer if self.cursor.is_upwards else self.page.older)

    def described(self) -> str:
        """Return the list's conditions, for the log; of a search term only the beginning."""
        conditions = [f"{name}={values[-1]}" for name, values in sorted(self.get_filters_params().items())]
        if term := self.query.strip():
            conditions.append(f"search={shortened(term)}")
        return ", ".join(conditions) or "all"

    def _query(self, cursor: Cursor | None) -> str:
        named = {} if cursor is None else {"before": cursor.before, "after": cursor.after}
        query: str = self.get_query_string(named)
        return query

    def _in_period(self, request: HttpRequest) -> TrackingSessionQuerySet:
        rows: Any = TrackingSession.objects.order_by(*_IN_ORDER)
        for spec in self._specs(Access.PERIOD):
            rows = spec.queryset(request, rows)
        return cast(TrackingSessionQuerySet, rows)

    def _wanted(self, request: HttpRequest) -> Wanted:
        in_period = self._in_period(request)
        filtered = (spec.queryset(request, in_period) for spec in self._specs(Access.INDEX))
        routes = [Route([rows], rows.query.order_by) for rows in filtered if rows is not in_period]
        if self.searched:
            [*others, last] = self.searched
            is_ordered = not others and not _is_prefix(self.query.strip())
            routes.append(Route(self.searched, last.query.order_by if is_ordered else ()))
        by_days = self._specs(Access.DAYS)
        scanned = (spec.queryset(request, in_period) for spec in (*self._specs(Access.SCAN), *by_days))
        is_scanned = any(rows is not in_period for rows in scanned)
        spans = EVERYWHERE
        for spec in by_days:
            spans = both(spans, spec.spans())
        return Wanted(self.queryset, in_period, routes, is_scanned, spans)

    def _specs(self, access: Access) -> list[Any]:
        return [spec for spec in cast(list[Any], self.filter_specs) if spec.access is access]


def _is_prefix(term: str) -> bool:
    return term.endswith(WILDCARD) and term != WILDCARD


def _alternatives(term: str, in_period: TrackingSessionQuerySet) -> list[TrackingSessionQuerySet]:
    try:
        check_text(term)
    except InvalidValue:
        return []
    if _is_prefix(term):
        # Not limited to the period: the index has the ids in order only within each single value.
        rows, prefix = TrackingSession.objects.all(), term.removesuffix(WILDCARD)
        return [rows.starting_with("playout_id", prefix), rows.starting_with("user_id", prefix)]
    alternatives = [in_period.with_value("playout_id", term)]
    alternatives += [in_period.with_value("user_id", form) for form in conf.get().user_ids.forms(term)]
    try:
        alternatives.append(in_period.filter(session_id=uuid.UUID(term)))
    except ValueError:
        pass
    return alternatives


def _cursor(request: HttpRequest) -> Cursor:
    ids = {}
    for name in _CURSORS:
        try:
            if name in request.GET:
                ids[name] = uuid.UUID(request.GET[name])
        except ValueError as error:
            raise Refused(name) from error
    if len(ids) > 1:
        raise Refused(_CURSORS[0])
    return Cursor(**ids)


def _rounded(count: int) -> int:
    """Return the number rounded to two significant digits."""
    return round(count, 2 - len(str(count)))
