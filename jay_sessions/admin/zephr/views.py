"""An admin page that looks up a Zephr session by its id."""

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView

from ... import conf, exceptions
from ...core.identifiers import MAX_LENGTH, shortened
from ...http import is_asgi
from ...zephr import gateway
from ...zephr.advice import advice_on
from ..audit import note
from .tables import as_text, tables

PERMISSION = "jay_sessions.lookup_zephr_session"


def may_look_up(request: HttpRequest) -> bool:
    """Return whether Zephr is configured and the operator may query it."""
    return conf.get().zephr is not None and request.user.has_perm(PERMISSION)


class ZephrLookupForm(forms.Form):
    session_id = forms.CharField(
        label=_("Zephr session id"),
        max_length=MAX_LENGTH,
        widget=forms.TextInput({"class": "vTextField jay-text", "size": 60}),
    )


class ZephrLookupView(FormView):
    """The id is sent by POST, so that it does not get into an access log."""

    form_class = ZephrLookupForm
    template_name = "admin/jay_sessions/zephr_lookup.html"
    model_admin: Any = None  # as_view() accepts only names of class attributes

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if conf.get().zephr is None:
            raise Http404(_("Zephr is not configured."))
        if not may_look_up(request):
            raise PermissionDenied
        response = super().dispatch(request, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        return response

    def form_valid(self, form: ZephrLookupForm) -> Any:
        context: dict[str, Any] = {}
        session_id = form.cleaned_data["session_id"]
        # Shortened: with the whole id, a reader of the log could use the session.
        note(self.request, f"Zephr session {shortened(session_id)}", "Looked up in Zephr.")
        try:
            context = _shown(gateway.look_up(session_id, own_thread=is_asgi(self.request.META)))
        except exceptions.InvalidValue as error:
            form.add_error("session_id", error.message)
        except exceptions.ZephrError as error:
            form.add_error(None, " ".join(map(gettext, advice_on(error))))
        return self.render_to_response(self.get_context_data(form=form, **context))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            **self.model_admin.admin_site.each_context(self.request),
            opts=self.model_admin.opts,
            title=_("Look up a Zephr session"),
            **kwargs,
        )


def _shown(answer: gateway.LookupResult) -> dict[str, Any]:
    raw = _printable(answer.session.raw)
    text, is_cut = as_text(raw)
    all_tables = tables(raw)
    return {
        "tables": [table for table in all_tables if table.rows],
        "empty": [table.title for table in all_tables if not table.rows],
        "raw": text,
        "raw_is_cut": is_cut,
        "age": answer.age,
        "is_stale": answer.source is gateway.Source.STALE,
    }


def _printable(raw: Mapping[str, Any]) -> dict[str, Any]:
    # JSON can hold lone surrogates, but a page in UTF-8 cannot.
    text = json.dumps(raw, ensure_ascii=False).encode("utf-8", "replace")
    printable: dict[str, Any] = json.loads(text)
    return printable
