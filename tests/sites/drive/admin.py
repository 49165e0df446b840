"""What an operator does in the admin, by what is on its pages alone."""

import csv
import io
import json
import re

from ..processes import NotRight
from ..themes import THEMES
from ..visit import ADMIN, PLAYOUT, ZEPHR_SESSION, Visit, need, status

KEY = re.compile(r"jay_[0-9a-f]{8}_[A-Za-z0-9_-]{43}")
LIST, KEYS = "/jay_sessions/trackingsession/", "/jay_sessions/apikey/"


def logs_in(visit: Visit) -> None:
    visitor = visit.visitor
    visitor.go(visit.admin)
    form = visitor.page.form_with("password")
    if form is None:
        raise NotRight(f"There is no form to log in:\n{visitor.seen()}")
    visitor.send(
        form, username=ADMIN["DJANGO_SUPERUSER_USERNAME"], password=ADMIN["DJANGO_SUPERUSER_PASSWORD"]
    )
    need(
        visitor.page.link(LIST) and visitor.page.link(KEYS), "the index has sessions and keys", visitor.seen()
    )


def open_list(visit: Visit, query: str = "") -> None:
    """Open the session list by the index's link."""
    visit.visitor.go(visit.admin)
    link = visit.visitor.page.link(LIST)
    need(link, "the index leads to the session list", visit.visitor.seen())
    visit.visitor.go(f"{link.attributes['href']}{query}")  # type: ignore[union-attr]


def shows_list(visit: Visit) -> None:
    visitor = visit.visitor
    open_list(visit)
    need(PLAYOUT in visitor.page.text, "the list has sessions", visitor.seen())
    open_list(visit, f"?q={visit.session['sessionId']}")
    need(visitor.page.text.count(PLAYOUT) == 1, "a search by the id finds the one session", visitor.seen())
    row = visitor.page.link(f"{LIST}{visit.session['sessionId']}/change/")
    visitor.follow(row, "to the session")
    need(visit.session["sessionId"] in visitor.page.text, "the session has a page", visitor.seen())


def filters_list(visit: Visit) -> None:
    """By the form of days that stands on the list, and by a choice of another filter."""
    visitor = visit.visitor
    open_list(visit)
    form = visitor.page.form_with("from")
    if form is None:
        raise NotRight(f"There is no form to choose days:\n{visitor.seen()}")
    visitor.send(form, **{"from": "2001-01-01", "to": "2001-01-02"})
    need(PLAYOUT not in visitor.page.text, "those days have no sessions", visitor.seen())
    # Links with some themes, choices with others, which need scripts.
    open_list(visit)
    offers = re.search(
        r'provider_name=netflix\b|data-name="provider_name" value="netflix"', visitor.answer.text
    )
    need(offers, "the list offers the provider", visitor.seen())
    open_list(visit, "?provider_name=netflix")
    need(PLAYOUT in visitor.page.text, "the provider's sessions are found", visitor.seen())


def shows_dashboard(visit: Visit) -> None:
    visitor = visit.visitor
    open_list(visit)
    visitor.follow(visitor.page.link("/dashboard/"), "to the dashboard")
    need("netflix" in visitor.page.text, "the dashboard has the provider", visitor.seen())
    need(str(visit.started) in visitor.page.text, f"and {visit.started} sessions", visitor.seen())
    need("jay_sessions/dashboard" in visitor.answer.text, "and its styles", visitor.answer)


def creates_key(visit: Visit) -> None:
    visitor = visit.visitor
    visitor.go(visit.admin)
    visitor.follow(visitor.page.link(f"{KEYS}add/"), "to add an API key")
    form = visitor.page.form_with("playouts")
    if form is None:
        raise NotRight(f"There is no form for a key:\n{visitor.seen()}")
    visitor.send(form, name="made in the admin", _save="Save")
    found = KEY.search(visitor.answer.text)
    if found is None:
        raise NotRight(f"The key is not shown:\n{visitor.seen()}")
    status(visit.ask("POST", f"{visit.api}/session", key=found[0]), 200)


def shows_keys(visit: Visit) -> None:
    visitor = visit.visitor
    visitor.go(visit.admin)
    visitor.follow(visitor.page.link(KEYS), "to the API keys")
    need("driver" in visitor.page.text, "the list has the keys", visitor.seen())


def looks_up(visit: Visit) -> None:
    visitor = visit.visitor
    open_list(visit)
    link = visitor.page.link("/zephr/")
    if not visit.has_zephr:
        need(link is None, "nothing leads to a look-up that cannot be", visitor.seen())
        return
    visitor.follow(link, "to the look-up")
    form = visitor.page.form_with("session_id")
    if form is None:
        raise NotRight(f"There is no form for the look-up:\n{visitor.seen()}")
    visitor.send(form, session_id=ZEPHR_SESSION)
    need("London" in visitor.page.text, "Zephr's session is shown", visitor.seen())


def exports(visit: Visit) -> None:
    visitor = visit.visitor
    found: list[list[str]] = []
    for word in ("CSV", "NDJSON"):
        open_list(visit)
        if visitor.page.find(word) is None:
            # It may be a page of its own.
            visitor.follow(visitor.page.find("Export", "export"), "to export")
        text = visitor.follow(visitor.page.find(word), word).text
        if word == "CSV":
            found.append([row["session_id"] for row in csv.DictReader(io.StringIO(text))])
        else:
            found.append([json.loads(line)["session_id"] for line in text.splitlines()])
    need(
        len(found[0]) == visit.started,
        f"CSV has {visit.started} sessions, not {len(found[0])}",
        visitor.answer,
    )
    need(found[0] == found[1], "NDJSON has the same", visitor.answer)


def declares_this_django(visit: Visit) -> None:
    """The theme is tried with the newest Django that it declares."""
    package, environment = THEMES[visit.site.admin].package, visit.environment
    if package:
        newest, has = environment.declared[package], environment.versions["django"]
        need(has.startswith(f"{newest}."), f"{package} is tried with Django {newest}", f"Django {has}")


STEPS = (
    ("the theme has the newest Django that it declares", declares_this_django),
    ("the operator logs in", logs_in),
    ("the session list is there", shows_list),
    ("its filters work", filters_list),
    ("the dashboard is there", shows_dashboard),
    ("a key made in the admin works", creates_key),
    ("the API keys are listed", shows_keys),
    ("the Zephr look-up works", looks_up),
    ("sessions are exported", exports),
)
