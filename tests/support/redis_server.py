"""The Redis of the tests: in a parallel run each process has a database of its own, which its tests empty."""

import os
from urllib.parse import urlsplit

_given = urlsplit(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/9"))
# Taken away, as what a test starts has the URL as it is then.
_, _, _process = os.environ.pop("PYTEST_XDIST_WORKER", "").partition("gw")

REDIS_URL = _given._replace(path=f"/{int(_given.path.strip('/') or 0) + int(_process or 0)}").geturl()

if "REDIS_URL" in os.environ:
    os.environ["REDIS_URL"] = REDIS_URL
