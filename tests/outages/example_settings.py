"""The example site, set up as `variants.Variant` says."""

import json
import os

from project.settings import *  # noqa: F403
from project.settings import DATABASES, JAY_SESSIONS

_given = json.loads(os.environ["OUTAGE_SITE"])
DATABASES["default"]["CONN_MAX_AGE"] = _given["conn_max_age"]
if _given["pool"]:
    # As the check W122 wants it.
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": _given["pool"], "timeout": 3}
    del DATABASES["default"]["CONN_HEALTH_CHECKS"]
JAY_SESSIONS |= _given["app"]
