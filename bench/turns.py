"""What it costs that threads take turns, on any core and on one: `python -m bench.turns`.

The lane answers a GET that waits for nothing (`END_PROPAGATION`): in one thread, and in threads of which each
wakes the next once it has answered. DATABASE_URL names a PostgreSQL server, on which a database is made and
dropped in the end. Needs Linux.
"""

import argparse
import io
import itertools
import os
import statistics
import threading
import time
from collections.abc import Callable
from functools import partial

from .layers import COOKIE, WARM, database, request

ROUNDS = 5
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "project.settings",
    "SECRET_KEY": "bench",
    "JAY_RECORDER": "group",
    "JAY_END_PROPAGATION": "60",
    "JAY_SESSION_LIFETIME": "2592000",
}


def in_turns(call: Callable[[], object], count: int, threads: int) -> float:
    """Call it so often, by threads that wake each other; returns µs of the processor a call."""
    turns = [threading.Lock() for _ in range(threads)]
    for turn in turns:
        turn.acquire()
    left = iter(range(count))

    def work(number: int) -> None:
        following = turns[(number + 1) % threads]
        while True:
            turns[number].acquire()
            is_over = next(left, None) is None
            if not is_over:
                call()
            following.release()
            if is_over:
                return

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    before = time.process_time()
    turns[0].release()
    for worker in workers:
        worker.join()
    return (time.process_time() - before) / count * 1e6


def alone(call: Callable[[], object], count: int) -> float:
    """Call it so often; returns µs of the processor a call."""
    for _ in range(WARM):
        call()
    before = time.process_time()
    for _ in itertools.repeat(None, count):
        call()
    return (time.process_time() - before) / count * 1e6


def on_one_core(work: Callable[[], float]) -> float:
    """Return what it returns, while this thread and those that it starts keep to one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        return work()
    finally:
        os.sched_setaffinity(0, before)


def measured(count: int, threads: int) -> dict[str, float]:
    """Return medians of µs of the processor a request, by who answers them."""
    os.environ.update(SETTINGS)
    import django

    django.setup()
    from django.core.management import call_command

    from project.wsgi import application

    call_command("migrate", verbosity=0)
    said = io.StringIO()
    call_command("jay_create_api_key", "bench", stdout=said)
    key = said.getvalue().strip()
    cookie = f"{COOKIE}={request(application, 'POST', key)}"
    get = partial(request, application, "GET", key, cookie=cookie)
    ways: dict[str, Callable[[], float]] = {
        "one thread": lambda: alone(get, count),
        f"{threads} threads in turns": lambda: in_turns(get, count, threads),
        f"{threads} threads in turns on one core": lambda: on_one_core(lambda: in_turns(get, count, threads)),
    }
    found = [{name: work() for name, work in ways.items()} for _ in range(ROUNDS)]
    return {name: statistics.median(one[name] for one in found) for name in ways}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000, help="requests of each kind; default: 5000")
    parser.add_argument("--threads", type=int, default=32, help="that take turns; default: 32")
    options = parser.parse_args()
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        parser.error("set DATABASE_URL to a PostgreSQL server on which databases may be created")
    with database(url):
        found = measured(options.count, options.threads)
    print("| a GET of the lane, answered by | µs of the processor |\n| --- | ---: |")
    for name, each in found.items():
        print(f"| {name} | {each:.0f} |")


if __name__ == "__main__":
    main()
