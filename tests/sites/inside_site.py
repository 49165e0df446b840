"""Run inside a site's environment: answers a line of JSON by a request of the test client, or by a command.

Where something is sent to this process's own standard output, it goes to standard error, so to the log.
"""

import base64
import faulthandler
import io
import json
import os
import sys
import traceback
from typing import Any

LIMIT = 60
"""Seconds for one answer; then the process ends, with its stack in the log."""


def request(question: dict[str, Any]) -> dict[str, Any]:
    from django.test import Client

    headers = question["headers"]
    types = [text for name, text in headers if name.lower() == "content-type"]
    fields = {name: text for name, text in headers if name.lower() != "content-type"}
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    answer = client.generic(
        question["method"],
        question["path"],
        base64.b64decode(question["body"]),
        content_type=types[0] if types else "",
        headers={"Host": "127.0.0.1", **fields},
    )
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    cookies = [("Set-Cookie", morsel.OutputString()) for morsel in answer.cookies.values()]
    said = [*answer.items(), *cookies]
    return {"status": answer.status_code, "headers": said, "body": base64.b64encode(body).decode()}


def command(question: dict[str, Any]) -> dict[str, Any]:
    from django.core.management import CommandError, call_command

    out, err = io.StringIO(), io.StringIO()
    os.environ.update(question["variables"])
    try:
        call_command(*question["words"], stdout=out, stderr=err)
        code = 0
    except CommandError as error:
        err.write(f"CommandError: {error}\n")
        code = error.returncode
    except Exception:  # noqa: BLE001 (as a process of its own would end)
        err.write(traceback.format_exc())
        code = 1
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 (as manage.py has it)
    answers, sys.stdout = sys.stdout, sys.stderr
    django.setup()
    for line in sys.stdin:
        question = json.loads(line)
        faulthandler.dump_traceback_later(LIMIT, exit=True)
        answer = command(question) if "words" in question else request(question)
        faulthandler.cancel_dump_traceback_later()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
