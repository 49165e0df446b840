"""The name of the content provider, taken from a playout id."""

import re
from collections.abc import Callable, Mapping

from . import patterns

Resolver = Callable[[str], str | None]

_LEADING_RUN = re.compile(r"[A-Za-z0-9]*")
_HAS_LETTER = re.compile(r"[A-Za-z]")
_UUID = re.compile(r"(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})", re.IGNORECASE)


def from_playout_id(playout_id: str) -> str | None:
    """Return the leading ASCII letters and digits in lower case: `netflix-de:1` gives `netflix`.

    None if they contain no letter, or if the id begins with a UUID: then it names no provider.
    """
    leading = _LEADING_RUN.match(playout_id)
    run = leading.group() if leading else ""
    if not _HAS_LETTER.search(run):
        return None
    identifier = _UUID.match(playout_id)
    if identifier and not playout_id[identifier.end() : identifier.end() + 1].isalnum():
        return None
    return run.lower()


def provider_name(
    playout_id: str, names: Mapping[str, str | None], resolver: Resolver | None = None
) -> str | None:
    """Return the provider's name, or None for no provider.

    The first pattern in `names` that matches decides. If none matches, `resolver` decides, also if it
    returns None; without a resolver, `from_playout_id` does. Exceptions of the resolver pass through.
    """
    for pattern, name in names.items():
        if patterns.matches(pattern, playout_id):
            return name
    if resolver is not None:
        return resolver(playout_id)
    return from_playout_id(playout_id)
