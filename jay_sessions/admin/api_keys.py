"""API keys in the admin: create one (shown once), see its permissions and its last use, revoke it."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_variables

from ..core import key_text
from ..models import ApiKey
from ..models.grants import Scope, default_playouts, default_scopes, validate_expiry
from .changelist.strict import StrictAdmin


class LinesField(forms.CharField):
    """A list of strings, one per line of text."""

    widget = forms.Textarea(attrs={"rows": 4, "cols": 60})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        lines = (line.strip() for line in (super().to_python(value) or "").splitlines())
        return list(dict.fromkeys(line for line in lines if line))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((initial or []) != self.to_python(data))


class ApiKeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"), choices=Scope.choices, initial=default_scopes, widget=forms.CheckboxSelectMultiple
    )
    playouts = LinesField(
        label=_("Playouts"),
        initial=default_playouts,
        help_text=_("One pattern per line. * matches any characters, for example netflix-*."),
    )
    origins = LinesField(
        label=_("Origins"),
        required=False,
        help_text=_(
            "Web origins that may use the key in a browser, one per line, for example "
            "https://www.example.com. Empty: any origin."
        ),
    )

    class Meta:
        model = ApiKey
        fields: ClassVar = ["name", "scopes", "playouts", "origins", "expires_at"]

    def clean_expires_at(self) -> Any:
        expires_at = self.cleaned_data["expires_at"]
        if "expires_at" in self.changed_data and expires_at is not None:
            validate_expiry(expires_at)
            if expires_at <= timezone.now():
                raise forms.ValidationError(_("Choose a time in the future; to end a key now, revoke it."))
        return expires_at


@admin.register(ApiKey)
class ApiKeyAdmin(StrictAdmin):
    form = ApiKeyForm
    list_display = ("name", "prefix", "scope_list", "playout_list", "state", "expires_at", "last_used_at")
    search_fields = ("name", "prefix")
    readonly_fields = ("prefix", "state", "created_at", "revoked_at", "last_used_at")
    actions = ("revoke",)

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        editable = ["name", "scopes", "playouts", "origins", "expires_at"]
        return editable if obj is None else [*editable, *self.readonly_fields]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Ignore values in the URL: a link must not choose the permissions of a key."""
        return {}

    @admin.display(description=_("scopes"))
    def scope_list(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @admin.display(description=_("playouts"))
    def playout_list(self, key: ApiKey) -> str:
        return ", ".join(key.playouts)

    @admin.display(description=_("state"))
    def state(self, key: ApiKey) -> Any:
        if key.revoked_at is not None:
            return _("revoked")
        return _("live") if key.is_live(timezone.now()) else _("expired")

    @admin.action(description=_("Revoke the selected API keys"), permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        live = list(queryset.filter(revoked_at=None))
        count = ApiKey.objects.filter(pk__in=[key.pk for key in live]).revoke()
        for key in live:
            self.log_change(request, key, "Revoked.")
        text = ngettext("%d API key was revoked.", "%d API keys were revoked.", count) % count
        self.message_user(request, text, messages.SUCCESS if count else messages.WARNING)

    @sensitive_variables("text")
    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if change:
            # Only the edited fields: the key may have been revoked or used since the form was loaded.
            obj.save(update_fields=form.changed_data)
            return
        text = key_text.generate()
        obj.set_text(text)
        request.issued_api_key = text  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the key in this very response: a redirect would have to store it somewhere."""
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": _("API key created"),
            "opts": self.opts,
            "key": obj,
            "text": request.issued_api_key,  # type: ignore[attr-defined]
        }
        return TemplateResponse(
            request, "admin/jay_sessions/apikey/created.html", context, headers={"Cache-Control": "no-store"}
        )
