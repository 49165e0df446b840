"""The memory of a worker while Zephr sends far too much."""

import re
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from project.zephr_stand_in import ZephrStandIn

from . import parts

CALLS = 200
THREADS = 8
MEGABYTE = 10**6

Fault = Callable[[BaseHTTPRequestHandler], None]


def measure() -> Iterator[tuple[str, ...]]:
    """Give a row for each kind of answer: its name, the calls, memory before and at the most."""
    compressor = zlib.compressobj(wbits=31)
    bomb = b"".join(compressor.compress(bytes(MEGABYTE)) for _ in range(100)) + compressor.flush()
    yield _row("100 MB in gzip", lambda handler: _send(handler, [bomb], len(bomb), "gzip"))
    spaces = [b" " * MEGABYTE] * 100
    yield _row("100 MB as they are", lambda handler: _send(handler, spaces, 100 * MEGABYTE, "identity"))


def _row(name: str, fault: Fault) -> tuple[str, ...]:
    with (
        ZephrStandIn(parts.ACCESS_KEY, parts.SECRET_KEY) as zephr,
        parts.serving(zephr, workers=1, threads=THREADS) as site,
    ):
        _ask(site, "warm", 404)
        worker = _largest_child(site.pid)
        # From now on, the peak is that of what follows.
        (worker / "clear_refs").write_text("5")
        before = _kilobytes(worker, "VmRSS")
        zephr.fault = fault
        _ask(site, "large", 502)
        peak = _kilobytes(worker, "VmHWM")
        assert len(zephr.requests) == 2 * CALLS
    return name, str(CALLS), f"{before / 1024:.0f} MiB", f"{peak / 1024:.0f} MiB"


def _ask(site: parts.Site, name: str, status: int) -> None:
    paths = [f"/v3/sessions/{name}-{number}" for number in range(CALLS)]
    assert set(parts.statuses(site, paths, threads=THREADS)) == {status}


def _send(handler: BaseHTTPRequestHandler, chunks: list[bytes], length: int, encoding: str) -> None:
    handler.send_response(200)
    handler.send_header("Content-Encoding", encoding)
    handler.send_header("Content-Length", str(length))
    handler.end_headers()
    for chunk in chunks:
        handler.wfile.write(chunk)


def _largest_child(pid: int) -> Path:
    # Beside its workers, Granian starts a small process that keeps track of what they share.
    children = [status.parent for status in Path("/proc").glob("[0-9]*/status") if _parent(status) == pid]
    return max(children, key=lambda child: _kilobytes(child, "VmRSS"))


def _parent(status: Path) -> int:
    try:
        found = re.search(r"^PPid:\s+([0-9]+)", status.read_text(), re.MULTILINE)
    except OSError:
        # It has ended meanwhile.
        return 0
    return int(found[1]) if found else 0


def _kilobytes(process: Path, name: str) -> int:
    found = re.search(rf"^{name}:\s+([0-9]+) kB", (process / "status").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0
