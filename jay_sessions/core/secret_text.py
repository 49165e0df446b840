"""Keeps secrets out of logs and reports: a `str` with a masked `repr`, and a search for secrets in text.

Secrets are API keys, tracking tokens, user ids and Zephr session ids.
"""

import re
from typing import Any

MASK = "********"


class Secret(str):
    """A text with a masked `repr`: logs, dumps of variables and dataclasses hide it. `str()` returns it.

    A slice of it, or a text joined from it, is an ordinary `str` again.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(MASK)


_IN_PATH = r"""[^\s?#"'<>\\&;,]"""

_IN_TEXT = (
    # An API key, also a part of one; its prefix may be shown.
    (re.compile(r"(jay_[0-9a-f]{8}_)[A-Za-z0-9_-]+", re.ASCII), rf"\1{MASK}"),
    # JSON in Base64, the form of a token. It may begin with `{"`, `{ "`, or `{` and a line break.
    (re.compile(r"\b(?:eyJ|eyA|ewo|ewk|ew0)[A-Za-z0-9+/_=-]{12,}", re.ASCII), MASK),
    # The path of a session look-up, ours and Zephr's, after any host or prefix; not its pattern.
    (re.compile(rf"(/v[34]/(?:sessions|users)/)(?!\{{id\}}(?!{_IN_PATH})){_IN_PATH}+"), rf"\1{MASK}"),
    # A parameter of a query or form; its "=" may be encoded.
    (
        re.compile(r"((?:user_id|next_token|zephr_session_id)(?:=|%3D))[^\s&#\"'<>\\;]*", re.IGNORECASE),
        rf"\1{MASK}",
    ),
    # A member of JSON or a dict, escaped or not.
    (
        re.compile(
            r"""((?:user_?id|zephr_session_id)\\*(?:["']|&quot;|&\#x27;)\s*:\s*)"""
            r"""\\*(?:"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|(?:&quot;|&\#x27;).*?(?:&quot;|&\#x27;|$))""",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    # The arguments and the field of Zephr's signature.
    (re.compile(r"(ZEPHR-HMAC-SHA256)\s+[^\s\"']+"), rf"\1 {MASK}"),
    # In these lines PostgreSQL quotes the values of a row or statement; in a `repr`, they follow `\n`.
    (re.compile(r"((?:DETAIL|CONTEXT): )[^\n]*"), rf"\1{MASK}"),
)


def scrub(text: str) -> str:
    """Return the text, with `MASK` in place of each secret that has a known form.

    A user id has no form of its own: it is found only as a value of `user_id`.
    """
    for pattern, replacement in _IN_TEXT:
        text = pattern.sub(replacement, text)
    return text


def masked(row: Any, *names: str) -> str:
    """Return the `repr` of a named tuple, with `MASK` for the values of `names` that are not None."""
    shown = (
        f"{name}={MASK if name in names and value is not None else repr(value)}"
        for name, value in zip(row._fields, row, strict=True)
    )
    return f"{type(row).__name__}({', '.join(shown)})"
