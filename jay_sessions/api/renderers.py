"""The format of an answer's body."""

from rest_framework.renderers import JSONRenderer


class AsciiJSONRenderer(JSONRenderer):
    """Compact JSON in ASCII: Zephr's text may hold characters that UTF-8 cannot."""

    # DRF's own defaults for these come from the site's REST_FRAMEWORK.
    ensure_ascii = True
    compact = True
    strict = True
    charset = None
