"""The example site's settings, whatever the shell has exported for another site; the database and the
cache may be chosen, to run the suite on PostgreSQL and Redis.
"""

import os
import re
from pathlib import Path

from jay_sessions.conf import Settings, ZephrSettings
from jay_sessions.zephr.egress import CA_VARIABLES
from project.environment import variables

from .support import redis_server  # noqa: F401 (before the example site reads its URL)

_example = Path(__file__).parent.parent / "project" / "settings.py"
_of_the_site = re.findall(r'env\.\w+\(\s*"(\w+)"', _example.read_text())
_of_the_app = [_variable.name for kind in (Settings, ZephrSettings) for _variable in variables(kind)]
for _name in (*_of_the_site, *_of_the_app):
    if _name not in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(_name, None)

# Nor through a proxy that only the shell knows, or with its certificate authorities.
for _name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", *CA_VARIABLES):
    os.environ.pop(_name, None)
    os.environ.pop(_name.lower(), None)

# What the example site asks for; the tests change it, and need none that nobody knows.
os.environ["SECRET_KEY"] = "the secret key of the tests, which is long enough for a check of it"

from project.settings import *  # noqa: E402 F403

# What slows each test down and is not under test: slow password hashes, WhiteNoise's start-up scan.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WHITENOISE_AUTOREFRESH = True
