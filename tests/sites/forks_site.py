"""Run inside a site's environment: each line of JSON is a `manage.py` command, run by a fork of this process.

So Django is imported once for a site, and not once for a command.
"""

import json
import os
import signal
import sys
import tempfile
import traceback
from typing import IO, Any, NoReturn

LIMIT = 60
"""Seconds for one command; then it is killed."""


def run(question: dict[str, Any], out: IO[bytes], err: IO[bytes]) -> NoReturn:
    """Do in this process what `manage.py` does in one of its own."""
    from django.core.management import execute_from_command_line

    signal.alarm(LIMIT)
    os.environ.update(question["variables"])
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 (a file for a descriptor)
        for number, file in enumerate((nothing, out, err)):
            os.dup2(file.fileno(), number)
    sys.stdin = os.fdopen(0)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    code: Any = 0
    try:
        execute_from_command_line(["manage.py", *question["words"]])
    except SystemExit as exit_:
        code = exit_.code
    except BaseException:  # noqa: BLE001 (as a process of its own would end)
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Run the command; return its exit code and what it wrote."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        if not (pid := os.fork()):
            run(question, out, err)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        written = []
        for file in (out, err):
            file.seek(0)
            written.append(file.read().decode(errors="replace"))
    return {"code": code, "out": written[0], "err": written[1]}


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 (as manage.py has it)
    django.setup()
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
