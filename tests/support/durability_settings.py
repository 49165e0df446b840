"""The example site with other database settings, or with a receiver that raises; see test_durability.py."""

import json
import os
from typing import Any, NoReturn

from jay_sessions.signals import session_started
from project.settings import *  # noqa: F403
from project.settings import DATABASES

# Both must be given: a variant whose name is misspelt would otherwise pass as the site itself.
DATABASES = {"default": {**DATABASES["default"], **json.loads(os.environ["DURABILITY_DATABASE"])}}


def refuse(**kwargs: Any) -> NoReturn:
    raise RuntimeError("The receiver raised.")


if os.environ["DURABILITY_RECEIVER"] == "raises":
    session_started.connect(refuse)
