"""What else ordinary sites have, as lines for settings and URLs, and what that changes for their users."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Variation:
    """Lines for settings and URLs; a beginning of the API's paths, and of what a proxy takes off all paths.

    `bare` is a site whose URLs are the app's alone.
    """

    settings: str = ""
    urls: str = ""
    prefix: str = ""
    script_name: str = ""
    bare: bool = False


WITHOUT_AUTH = """
GONE = ("django.contrib.admin", "django.contrib.auth", "django.contrib.messages", "django.contrib.sessions")
INSTALLED_APPS = [app for app in INSTALLED_APPS if app not in GONE]
MIDDLEWARE = [name for name in MIDDLEWARE if not name.startswith(GONE)]
TEMPLATES = []
"""

VARIATIONS = {
    "unmigrated": Variation(),  # the commands are tried before `migrate` too
    "expiry": Variation(),  # a key that expires at the end of time
    "without Zephr": Variation("JAY_SESSIONS.pop('ZEPHR')\n"),
    "west": Variation("TIME_ZONE = 'America/Los_Angeles'\n"),
    "east": Variation("TIME_ZONE = 'Australia/Lord_Howe'\n"),
    "german": Variation("LANGUAGE_CODE = 'de'\n"),
    "prefix": Variation(urls="urlpatterns[-1] = path('api/', include('jay_sessions.urls'))\n", prefix="/api"),
    "script name": Variation("FORCE_SCRIPT_NAME = '/shop'\n", script_name="/shop"),
    "without auth": Variation(WITHOUT_AUTH, bare=True),
    "USE_TZ = False": Variation("USE_TZ = False\n"),
}
