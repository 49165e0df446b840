"""The page on which an operator confirms what cannot be undone."""

import datetime
from collections.abc import Iterable
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime

_TEMPLATE = "admin/jay_sessions/trackingsession/confirm.html"


def page(
    model_admin: Any,
    request: HttpRequest,
    title: str,
    paragraphs: Iterable[str],
    *,
    hidden: Iterable[tuple[str, str]] = (),
    back: str = "",
) -> TemplateResponse:
    """Return the page. Its form sends the `hidden` fields and `post` to the same address."""
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": model_admin.opts,
        "media": model_admin.media,
        "paragraphs": paragraphs,
        "hidden": hidden,
        "back": back,
    }
    return TemplateResponse(request, _TEMPLATE, context)


def selection(request: HttpRequest) -> list[tuple[str, str]]:
    """Return the hidden fields that repeat the list's action and its selection, with the present time."""
    names = ("action", "select_across", ACTION_CHECKBOX_NAME)
    repeated = [(name, value) for name in names for value in request.POST.getlist(name)]
    return [*repeated, ("until", timezone.now().isoformat())]


def confirmed_at(request: HttpRequest) -> datetime.datetime | None:
    """Return the time at which the operator was asked; None if there is no answer yet."""
    if not request.POST.get("post"):
        return None
    try:
        moment = parse_datetime(request.POST.get("until", ""))
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
