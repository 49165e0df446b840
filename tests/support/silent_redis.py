"""A Redis of a test's own that falls silent: stopped by a signal, or behind `outages.proxy`."""

import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator

import redis

from ..conftest import unavailable
from .servers import free_port


class SilentRedis:
    """The server; `stop` and `go_on` end and resume all that it does, while its kernel still acknowledges."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        self._process = process

    def stop(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def silent_redis() -> Iterator[SilentRedis]:
    if not shutil.which("redis-server"):
        unavailable("redis-server is not installed.")
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        server = SilentRedis(port, process)
        try:
            with redis.Redis(port=port) as client:
                _wait_for(client)
            assert process.poll() is None, "Another server has this port."
            yield server
        finally:
            server.go_on()
            process.terminate()
            process.wait(20)


def _wait_for(client: redis.Redis) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            client.ping()
        except redis.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def cache_at(port: int, **options: object) -> dict[str, dict[str, object]]:
    """CACHES with a Redis as an ordinary site writes it: without any time limit, unless told otherwise."""
    backend = "django.core.cache.backends.redis.RedisCache"
    redis_there = {"BACKEND": backend, "LOCATION": f"redis://127.0.0.1:{port}/0"}
    return {"default": {**redis_there, "OPTIONS": options} if options else redis_there}
