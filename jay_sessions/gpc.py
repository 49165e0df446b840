"""Global Privacy Control: a browser's header `Sec-GPC: 1`, where the site honours it.

The format is that of https://www.w3.org/TR/gpc/: the header is there with the value 1, or says nothing.
"""

from collections.abc import Mapping
from typing import Any

from . import conf


def is_asked(meta: Mapping[str, Any]) -> bool:
    """Say whether the request asks that its user be nobody, and `GLOBAL_PRIVACY_CONTROL` is on."""
    return conf.get().global_privacy_control and meta.get("HTTP_SEC_GPC", "").strip() == "1"
