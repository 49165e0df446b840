"""The demo's own `SECRET_KEY`. The first run makes it, before Django reads the settings."""

import contextlib
import os
import secrets
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent / ".demo" / "secret-key"


def kept(file: Path = FILE) -> str:
    """Return the key in `file`, which only its owner may read; without a file, make one."""
    with contextlib.suppress(OSError):
        if text := file.read_text().strip():
            return text
    text = secrets.token_urlsafe(64)
    file.parent.mkdir(exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
    return text
