"""A real nginx before a site, as docs/operations.md shows it or with other directives."""

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ..conftest import unavailable, until
from .pages import blocks, page
from .servers import free_port

SHOWN, SHOWN_MAIN = blocks(page("docs/operations.md"), "nginx")
"""What stands there for the site's `server`, and for the whole of nginx."""

WHOLE = """
daemon off;
master_process off;
pid {room}/pid;
{main}
http {{
    access_log off;
    client_body_temp_path {room}/body;
    proxy_temp_path {room}/proxy;
    fastcgi_temp_path {room}/fastcgi;
    uwsgi_temp_path {room}/uwsgi;
    scgi_temp_path {room}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {inside}
    }}
}}
"""


@contextlib.contextmanager
def before(site: int, room: Path, inside: str = SHOWN) -> Iterator[int]:
    """Run an nginx with these directives in its `server`, before the site at that port; give its own port.

    Its files go into the directory `room`.
    """
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if not program:
        unavailable("nginx is not installed.")
    port, file, log = free_port(), room / "nginx.conf", room / "error.log"
    inside = inside.replace("127.0.0.1:8000", f"127.0.0.1:{site}")
    file.write_text(WHOLE.format(room=room, main=SHOWN_MAIN, port=port, inside=inside))
    with subprocess.Popen([program, "-p", str(room), "-e", str(log), "-c", str(file)]) as process:
        try:
            until(lambda: process.poll() is not None or _listens(port))
            assert process.poll() is None, log.read_text()
            yield port
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False
