"""Counts how often each line of a file came before, for files of any length."""

import hashlib
import sqlite3

from ...core.uuid7 import RANDOM_BITS


def bits_of(text: bytes) -> int:
    """Return 62 bits of a hash, to make an id from."""
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> (64 - RANDOM_BITS)


class Repeats:
    """Counts lines by their hashes, in a temporary SQLite file that is deleted with the object."""

    def __init__(self) -> None:
        self._lines = sqlite3.connect("", isolation_level=None)
        self._lines.execute("PRAGMA journal_mode = OFF")
        self._lines.execute("CREATE TABLE seen (line INTEGER PRIMARY KEY, count INTEGER)")
        self._lines.execute("BEGIN")

    def bits(self, line: bytes) -> int:
        """Return 62 bits for the line: different at each repetition, but the same in another run."""
        key = bits_of(line)
        counted = "INSERT INTO seen VALUES (?, 0) ON CONFLICT (line) DO UPDATE SET count = count + 1"
        self._lines.execute(counted, [key])
        [(count,)] = self._lines.execute("SELECT count FROM seen WHERE line = ?", [key])
        return bits_of(b"%d %b" % (count, line))

    def close(self) -> None:
        """Close and so delete the temporary file."""
        self._lines.close()
