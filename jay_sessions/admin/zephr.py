"""A page of the admin that looks a Zephr session up by its id."""

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView

from .. import conf, exceptions
from ..identifiers import MAX_LENGTH
from ..zephr import gateway
from .audit import note
from .zephr_tables import as_text, tables

PERMISSION = "jay_sessions.lookup_zephr_session"

ADVICE: dict[type[exceptions.ZephrError], Any] = {
    exceptions.ZephrSessionNotFound: _("Zephr knows no session with this id."),
    exceptions.ZephrCredentialsRejected: _(
        "Zephr refuses the key pair. Check ZEPHR's ACCESS_KEY and SECRET_KEY, and this server's clock."
    ),
    exceptions.ZephrClockSkew: _(
        "Zephr refuses the signature, as this server's clock is far from its own. Set it, best by NTP."
    ),
    exceptions.ZephrUnavailable: _("Zephr cannot be reached or fails. Check ZEPHR's TENANT or BASE_URL."),
    exceptions.ZephrCircuitOpen: _(
        "Zephr failed many times in a row, so for a moment it is not asked. Try again soon."
    ),
    exceptions.ZephrBadResponse: _(
        "Something answers that is not Zephr's Admin API. Check ZEPHR's TENANT or BASE_URL."
    ),
    exceptions.ZephrThrottled: _("Zephr receives too many requests. Try again in a moment."),
    exceptions.ZephrTimeout: _("Zephr did not answer in time. Try again in a moment."),
}


def may_look_up(request: HttpRequest) -> bool:
    """Say whether Zephr is configured and the operator may ask it."""
    return conf.get().zephr is not None and request.user.has_perm(PERMISSION)


class ZephrLookupForm(forms.Form):
    session_id = forms.CharField(
        label=_("Zephr session id"),
        max_length=MAX_LENGTH,
        widget=forms.TextInput({"class": "vTextField", "size": 60}),
    )


class ZephrLookupView(FormView):
    """Asked by POST, so that no session id gets into an access log."""

    form_class = ZephrLookupForm
    template_name = "admin/jay_sessions/zephr_lookup.html"
    model_admin: Any = None  # as_view() takes only what the class names

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if conf.get().zephr is None:
            raise Http404(_("Zephr is not configured."))
        if not may_look_up(request):
            raise PermissionDenied
        response = super().dispatch(request, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        return response

    def form_valid(self, form: ZephrLookupForm) -> Any:
        found: dict[str, Any] = {}
        session_id = form.cleaned_data["session_id"]
        # Shortened: whoever holds a whole session id may be that session.
        note(self.request, f"Zephr session {session_id[:8]}…", "Looked up in Zephr.")
        try:
            found = _shown(gateway.look_up(session_id))
        except exceptions.InvalidValue as error:
            form.add_error("session_id", error.message)
        except exceptions.ZephrError as error:
            form.add_error(None, next(ADVICE[kind] for kind in type(error).__mro__ if kind in ADVICE))
        return self.render_to_response(self.get_context_data(form=form, **found))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            **self.model_admin.admin_site.each_context(self.request),
            opts=self.model_admin.opts,
            title=_("Look up a Zephr session"),
            **kwargs,
        )


def _shown(answer: gateway.Answer) -> dict[str, Any]:
    raw = _printable(answer.session.raw)
    text, is_cut = as_text(raw)
    found = tables(raw)
    return {
        "tables": [table for table in found if table.rows],
        "empty": [table.title for table in found if not table.rows],
        "raw": text,
        "raw_is_cut": is_cut,
        "age": answer.age,
        "is_stale": answer.source is gateway.Source.STALE,
    }


def _printable(raw: Mapping[str, Any]) -> dict[str, Any]:
    # JSON can hold lone surrogates, a page in UTF-8 cannot.
    text = json.dumps(raw, ensure_ascii=False).encode("utf-8", "replace")
    printable: dict[str, Any] = json.loads(text)
    return printable
