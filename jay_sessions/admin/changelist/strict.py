"""The base of this app's lists: invalid requests are refused, links stay on one admin site."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG, IGNORED_PARAMS, ChangeList
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from ..bounded import bounded
from .moments import make_showable


class Refused(Exception):
    """The parameter `name` of a list has an invalid value.

    This is not Django's own exception, because Django's list would then show everything without a message.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return _("The value of %s in the address is not valid.") % repr(self.name[:50])


def wrong_name(query: QueryDict) -> str | None:
    """Return the first parameter with a NUL or with several values (only one would count), else None."""
    for name, values in query.lists():
        if len(set(values)) > 1 or any("\0" in text for text in (name, *values)):
            return name
    return None


class StrictList(ChangeList):
    """A list that refuses invalid parameters and does not ignore them. Raises Refused."""

    def __init__(self, request: HttpRequest, *args: Any) -> None:
        if name := wrong_name(request.GET):
            raise Refused(name)
        super().__init__(request, *args)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        make_showable(self.result_list)


def base_class() -> type[admin.ModelAdmin]:
    """Return the base class for this site's admins: django-unfold runs only actions of its own classes."""
    base: type[admin.ModelAdmin] = admin.ModelAdmin
    if apps.is_installed("unfold"):
        base = import_string("unfold.admin.ModelAdmin")
    return base


if TYPE_CHECKING:
    Base = admin.ModelAdmin
else:
    Base = base_class()


class StrictAdmin(Base):
    """An admin of one of this app's models, on any admin site."""

    def get_urls(self) -> list[Any]:
        """Return this admin's views. Each has a limit on its wait for the database (see `bounded.py`)."""
        urls = super().get_urls()
        for pattern in urls:
            pattern.callback = bounded(pattern.callback)
        return urls

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return StrictList

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list for the query string. Raises Refused."""
        try:
            return super().get_changelist_instance(request)
        except IncorrectLookupParameters as error:
            known = {*IGNORED_PARAMS, *self._filter_names()}
            raise Refused(next((name for name in request.GET if name not in known), "")) from error

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list. If its URL is invalid, show all rows with a message above them."""
        request.current_app = self.admin_site.name
        try:
            return super().changelist_view(request, extra_context)
        except Refused as refused:
            text = _("All rows are shown, and nothing was done.")
            self.message_user(request, f"{refused} {text}", messages.ERROR)
            return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")

    def response_action(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse | None:
        """Run the chosen action. If the selection of rows is invalid, do nothing and show a message."""
        if not self._is_selection(request.POST):
            text = _("The selection is not valid. Nothing was done.")
            self.message_user(request, text, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        response: HttpResponse | None = super().response_action(request, *args, **kwargs)
        return response

    def _is_selection(self, form: QueryDict) -> bool:
        # Django takes every value but "0" and "false" for all matching rows.
        across = {*form.getlist("select_across")}
        if across == {"1"}:
            return True
        try:
            for pk in form.getlist(ACTION_CHECKBOX_NAME):
                self.opts.pk.clean(pk, None)
        except ValidationError:
            return False
        return across in ({"0"}, {""}, set())

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        obj = super().get_object(request, object_id, from_field)
        if obj is not None:
            make_showable([obj])
        return obj

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Refuse look-ups on columns that a user writes into the URL: most have no index."""
        columns = {"pk", *(field.name for field in self.opts.fields)}
        return lookup in self._filter_names() or lookup.partition("__")[0] not in columns

    def own(self, view: Callable[..., Any]) -> Any:
        """Return a view of this app as a view of this admin site; its links lead to the same site."""

        def on_this_site(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            request.current_app = self.admin_site.name
            return view(request, *args, **kwargs)

        return bounded(self.admin_site.admin_view(on_this_site))

    def _filter_names(self) -> set[str]:
        return {getattr(chosen, "parameter_name", "") for chosen in self.list_filter}
