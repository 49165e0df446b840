"""The admins, as the lines that their own documentation adds to a site's settings and URLs."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Theme:
    """An admin: its package, lines for settings and URLs, a module `backoffice`, its index's path."""

    package: str = ""
    settings: str = ""
    urls: str = ""
    module: str = ""
    path: str = "/admin/"


BEFORE_ADMIN = "INSTALLED_APPS[:0] = {!r}\n"

OWN_SITE = """
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from jay_sessions.admin import ApiKeyAdmin, TrackingSessionAdmin
from jay_sessions.models import ApiKey, TrackingSession


class Backoffice(admin.AdminSite):
    site_header = "The back office"


site = Backoffice(name="backoffice")
site.register(User, UserAdmin)
site.register(ApiKey, ApiKeyAdmin)
site.register(TrackingSession, TrackingSessionAdmin)
"""

DEFAULT_SITE = """
from django.contrib import admin
from django.contrib.admin.apps import AdminConfig


class BackofficeConfig(AdminConfig):
    default_site = "mysite.backoffice.Backoffice"


class Backoffice(admin.AdminSite):
    site_header = "The back office"
"""

THEMES = {
    "stock": Theme(),
    "none": Theme(),
    "an AdminSite of its own": Theme(
        urls="from mysite import backoffice\n\n"
        "urlpatterns = [pattern for pattern in urlpatterns if 'admin/' not in str(pattern.pattern)]\n"
        "urlpatterns += [path('office/', backoffice.site.urls)]\n",
        module=OWN_SITE,
        path="/office/",
    ),
    "another default AdminSite": Theme(
        settings="INSTALLED_APPS[INSTALLED_APPS.index('django.contrib.admin')] = "
        "'mysite.backoffice.BackofficeConfig'\n",
        module=DEFAULT_SITE,
    ),
    "django-unfold": Theme("django-unfold", BEFORE_ADMIN.format(["unfold", "unfold.contrib.filters"])),
    "django-jazzmin": Theme("django-jazzmin", BEFORE_ADMIN.format(["jazzmin"])),
    "django-grappelli": Theme(
        "django-grappelli",
        BEFORE_ADMIN.format(["grappelli"]),
        "urlpatterns += [path('grappelli/', include('grappelli.urls'))]\n",
    ),
    "django-admin-interface": Theme(
        "django-admin-interface",
        BEFORE_ADMIN.format(["admin_interface", "colorfield"])
        + "X_FRAME_OPTIONS = 'SAMEORIGIN'\nSILENCED_SYSTEM_CHECKS = ['security.W019']\n",
    ),
}
