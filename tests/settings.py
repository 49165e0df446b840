"""The example site's settings, whatever the shell has exported for another site; the database and the
cache may be chosen, to run the suite on PostgreSQL and Redis.
"""

import os
import re
from pathlib import Path

from . import redis_server  # noqa: F401 (before the example site reads its URL)

_example = Path(__file__).parent.parent / "project" / "settings.py"
for _name in re.findall(r'env\.\w+\(\s*"(\w+)"', _example.read_text()):
    if _name not in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(_name, None)

from project.settings import *  # noqa: E402 F403

# What slows each test down and is not under test: slow password hashes, WhiteNoise's start-up scan.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WHITENOISE_AUTOREFRESH = True
