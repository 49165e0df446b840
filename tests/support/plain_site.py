"""Sites as `startproject` makes them, with databases of all kinds, each used in a process of its own.

What the example site sets, and the settings of the tests with it, is not there: a plain site has Django's
defaults and what a test gives it.
"""

import json
import os
import subprocess
import sys
from typing import Any

from . import servers

SETTINGS: dict[str, Any] = {
    "SECRET_KEY": "not-a-secret",
    "ALLOWED_HOSTS": ["testserver"],
    "INSTALLED_APPS": [
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
        "jay_sessions",
    ],
    "MIDDLEWARE": [
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    "ROOT_URLCONF": "jay_sessions.urls",
    # Their tables at once, as they are now: it is the app's own that are migrated to.
    "MIGRATION_MODULES": dict.fromkeys(("admin", "auth", "contenttypes", "sessions")),
}


def use(databases: dict[str, Any], *, python: str = sys.executable, **options: Any) -> dict[str, Any]:
    """Use a site with these `DATABASES` as `plain_site_use.py` says; give what came of it.

    `settings` among the options are more settings of the site, `log` in the answer is what it wrote.
    """
    settings = {**SETTINGS, "DATABASES": databases, **options.pop("settings", {})}
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    given = json.dumps({**options, "settings": settings})
    done = subprocess.run(
        [python, "-W", "ignore", "-m", "tests.support.plain_site_use"],
        cwd=servers.ROOT,
        env={**environment, "PLAIN_SITE": given},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "log": done.stderr}
