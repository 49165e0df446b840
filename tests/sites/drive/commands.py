"""What an owner types: `manage.py` and each command of the app."""

import csv
import datetime
import io
import json
import time
import uuid
from pathlib import Path

from ..databases import DATABASES
from ..processes import Done
from ..startproject import ROOT
from ..visit import ADMIN, USER, ZEPHR_SESSION, Visit, need, status

COMMANDS = sorted(path.stem for path in (ROOT / "jay_sessions" / "management" / "commands").glob("jay_*.py"))
SCOPES = ("--scope", "tracking", "--scope", "analytics", "--scope", "zephr")
WITH_DATABASE = [name for name in COMMANDS if name != "jay_ping_zephr"]
ARGUMENTS = {
    "jay_create_api_key": ("nobody",),
    "jay_erase_user": (USER,),
    "jay_export_user": (USER,),
    "jay_import_sessions": ("nothing.csv",),
    "jay_revoke_api_key": ("nobody",),
}
"""What a command cannot do without."""
LINES = 4
"""Lines that an error may have: what is wrong, and what to do."""
PROPAGATION = 10
"""Seconds after which every process knows of a change of a key."""


def _said_in_words(done: Done) -> None:
    need(done.code != 0, "it ends with an error", done)
    # The warnings of the system check may stand before it.
    said = done.err.partition("CommandError:")[2].splitlines()
    need("Traceback" not in done.err and 1 <= len(said) <= LINES, "which is a line, no traceback", done)


def before_migrate(visit: Visit) -> None:
    for name in WITH_DATABASE:
        done = visit.client.manage(name, *ARGUMENTS.get(name, ()))
        _said_in_words(done)
        need("migrate" in done.err or "not configured" in done.err, "it says what to do", done)


def without_database(visit: Visit) -> None:
    for name in WITH_DATABASE:
        _said_in_words(visit.client.manage(name, *ARGUMENTS.get(name, ()), "--settings", "mysite.nowhere"))


def sets_up(visit: Visit) -> None:
    for alias in DATABASES[visit.site.database].aliases:
        visit.manage("migrate", "--verbosity", "0", "--database", alias)
    if visit.site.admin != "none":
        visit.manage("createsuperuser", "--noinput", "--email", "operator@example.com", **ADMIN)
    visit.key = visit.manage("jay_create_api_key", "driver", *SCOPES).out.strip()


def checks(visit: Visit) -> None:
    aliases = [word for alias in DATABASES[visit.site.database].aliases for word in ("--database", alias)]
    done = visit.manage("check", *aliases)
    need("jay_sessions.E" not in done.err, "check finds no error", done)
    visit.manage("makemigrations", "--check", "--dry-run", "jay_sessions")


def rolls_up(visit: Visit) -> None:
    done = visit.manage("jay_rollup_sessions")
    need("counted" in done.out, "sessions are counted", done)
    done = visit.manage("jay_rollup_sessions", "--verbosity", "0")
    need(not done.out, "with verbosity 0 it says nothing", done)


def exports(visit: Visit) -> None:
    rows = list(csv.DictReader(io.StringIO(visit.manage("jay_export_sessions").out)))
    need(len(rows) == visit.started, f"CSV has {visit.started} sessions", rows[:3])
    done = visit.manage("jay_export_sessions", "--format", "ndjson")
    lines = [json.loads(line) for line in done.out.splitlines()]
    need(
        [line["session_id"] for line in lines] == [row["session_id"] for row in rows],
        "NDJSON has the same",
        lines[:3],
    )
    done = visit.manage("jay_export_user", USER)
    ids = [json.loads(line)["session_id"] for line in done.out.splitlines()]
    need(ids == [visit.session.get("sessionId")], "the user's export has the user's session", done)


def imports(visit: Visit) -> None:
    """What is exported is imported once; so is a session of another system, which is counted, too."""
    rows = list(csv.DictReader(io.StringIO(visit.manage("jay_export_sessions").out)))
    _write(visit.room / "same.csv", rows)
    visit.manage("jay_import_sessions", str(visit.room / "same.csv"))
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    old = {**rows[0], "session_id": str(uuid.uuid4()), "started_at": yesterday.isoformat(), "ended_at": ""}
    _write(visit.room / "old.csv", [old])
    for _ in range(2):
        visit.manage("jay_import_sessions", "--new-ids", str(visit.room / "old.csv"))
    visit.started += 1
    rows = list(csv.DictReader(io.StringIO(visit.manage("jay_export_sessions").out)))
    need(len(rows) == visit.started, f"{visit.started} sessions are there then", rows[-3:])
    visit.manage("jay_rollup_sessions")


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def asks_zephr(visit: Visit) -> None:
    if not visit.has_zephr:
        for name in ("jay_ping_zephr", "jay_enrich_sessions"):
            done = visit.client.manage(name)
            _said_in_words(done)
            need("not configured" in done.err, "it says that Zephr is not configured", done)
        return
    visit.manage("jay_ping_zephr", "--session", ZEPHR_SESSION)
    done = visit.manage("jay_enrich_sessions")
    need(done.out.startswith("1 "), "the linked session is fetched", done)


def erases(visit: Visit) -> None:
    done = visit.manage("jay_erase_user", USER)
    need("1 session" in done.out, "the user's session is erased", done)
    answer = status(visit.ask("GET", f"{visit.api}/sessions?user_id={USER}"), 200)
    need(answer.json()["data"] == [], "nobody has this user id any more", answer)


def purges(visit: Visit) -> None:
    done = visit.manage("jay_purge_sessions")
    need("0 sessions purged" in done.out, "nothing is old enough", done)


def revokes(visit: Visit) -> None:
    key = visit.manage("jay_create_api_key", "short-lived").out.strip()
    path = f"{visit.api}/session"
    status(visit.ask("POST", path, key=key), 200)
    visit.manage("jay_revoke_api_key", "short-lived")
    deadline = time.monotonic() + PROPAGATION
    # Often enough that each of the workers is asked after its seconds are over.
    while (answer := visit.ask("GET", path, key=key)).status != 401 and time.monotonic() < deadline:
        time.sleep(0.5)
    status(answer, 401)


def creates_for_nobody(visit: Visit) -> None:
    with Path("/dev/full").open("wb") as full:
        done = visit.client.manage("jay_create_api_key", "full", stdout=full)
    need(done.code != 0, "a key that cannot be printed is an error", done)
    live = "ApiKey.objects.filter(name='full', revoked_at=None).count()"
    script = f"from jay_sessions.models import ApiKey; print({live})"
    done = visit.manage("shell", "--verbosity", "0", "-c", script)
    need(done.out.strip() == "0", "and no live key is left that nobody has seen", done)


def expires_at_the_end(visit: Visit) -> None:
    """Such a key is refused or taken; one that is there does not break the list, which is opened later."""
    done = visit.client.manage("jay_create_api_key", "late", "--expires-at", "9999-12-31T23:59:59Z")
    if done.code:
        _said_in_words(done)
    visit.manage("jay_create_api_key", "for ever")
    script = (
        "import datetime as d; from jay_sessions.models import ApiKey; "
        "ApiKey.objects.filter(name='for ever').update(expires_at=d.datetime(9999, 12, 31, 23, tzinfo=d.UTC))"
    )
    visit.manage("shell", "--verbosity", "0", "-c", script)


BEFORE = {
    "unmigrated": (
        ("before migrate each command says so in a line", before_migrate),
        ("without a database each command says so in a line", without_database),
    ),
}
"""Steps before `migrate`, by variations."""
AFTER = {
    "unmigrated": (("a key that cannot be printed is not live", creates_for_nobody),),
    "expiry": (("a key may live to the end of time", expires_at_the_end),),
}
STEPS = (
    ("jay_rollup_sessions counts", rolls_up),
    ("jay_export_sessions and jay_export_user give everything", exports),
    ("jay_import_sessions imports once", imports),
    ("jay_ping_zephr and jay_enrich_sessions ask Zephr", asks_zephr),
    ("jay_purge_sessions purges nothing yet", purges),
    ("jay_create_api_key and jay_revoke_api_key are heard of", revokes),
)
