"""What a player and an analyst ask."""

import concurrent.futures
from urllib.parse import quote

from ..databases import DATABASES
from ..visit import COOKIE, PLAYOUT, USER, ZEPHR_SESSION, Visit, details, need, said, status

MANY = 60
"""Sessions started at the same time; more than a page of the admin's list has."""


def starts(visit: Visit) -> None:
    answer = visit.start(f"?user_id={USER}&zephr_session_id={ZEPHR_SESSION}")
    visit.session, visit.token = answer.json()["data"], answer.get("X-JAY-TRACKING")
    found = (visit.session["userId"], visit.session["providerName"])
    need(found == (USER, "netflix"), "user and provider are right", answer)
    need(len(visit.token) > 50, "the token comes as a header", answer)
    cookies = [line.partition(";")[0] for line in answer.all("Set-Cookie") if COOKIE in line]
    need(cookies == [f"{COOKIE}={visit.token}"], "and as the same cookie", answer)


def starts_by_body(visit: Visit) -> None:
    for kind, body in (
        ("application/json", b'{"user_id": "body"}'),
        ("application/x-www-form-urlencoded", b"user_id=body"),
    ):
        answer = visit.start("", ("Content-Type", kind), body=body)
        need(answer.json()["data"]["userId"] == "body", "the user comes from the body", answer)


def reads(visit: Visit) -> None:
    path = f"{visit.api}/session"
    for name, text in (("Cookie", f"{COOKIE}={visit.token}"), ("X-JAY-TRACKING", visit.token)):
        # Twice: the fast lane answers once it knows the key.
        for _ in range(2):
            answer = status(visit.ask("GET", path, (name, text)), 200)
            need(answer.json()["data"] == visit.session, f"{name} gives the session that POST gave", answer)
    answer = status(visit.ask("GET", path), 400)
    need(details(answer) == "TRACKING_NOT_VALID", "without a token there is no session", answer)


def starts_many(visit: Visit) -> None:
    def start(number: int) -> str:
        user = f"many-{number % 7}"
        answer = visit.start(f"?user_id={user}")
        need(answer.json()["data"]["userId"] == user, "the answer is for the one who asked", answer)
        token = answer.get("X-JAY-TRACKING")
        again = status(visit.ask("GET", f"{visit.api}/session", ("X-JAY-TRACKING", token)), 200)
        need(again.json() == answer.json(), "and so is the next one", again)
        return str(answer.json()["data"]["sessionId"])

    with concurrent.futures.ThreadPoolExecutor(DATABASES[visit.site.database].writers) as threads:
        ids = list(threads.map(start, range(MANY)))
    need(len(set(ids)) == MANY, "each session has an id of its own", ids)


def refuses(visit: Visit) -> None:
    path = f"{visit.api}/session"
    for method in ("POST", "GET"):
        answer = status(visit.ask(method, path, key="jay_nobody"), 401)
        need(details(answer) == "API_KEY_INVALID", "a key that is none is refused", answer)
    status(visit.ask("POST", f"{path}?user_id=%00"), 422)
    status(visit.ask("GET", f"{visit.api}/nothing"), 404)
    answer = status(visit.ask("PUT", path), 405)
    need(
        details(answer) == "METHOD_NOT_ALLOWED" and answer.get("Allow"),
        "a method that is none is refused",
        answer,
    )


def lists(visit: Visit) -> None:
    found: list[str] = []
    query = "?limit=40"
    while query:
        answer = status(visit.ask("GET", f"{visit.api}/sessions{query}"), 200)
        page = answer.json()
        found += [one["sessionId"] for one in page["data"]]
        token = page.get("nextToken", "")
        query = f"?limit=40&next_token={quote(token)}" if token else ""
    need(
        len(found) == len(set(found)) == visit.started, f"all {visit.started} sessions are listed once", found
    )
    need(found == sorted(found, reverse=True), "newest first", found)
    answer = status(visit.ask("GET", f"{visit.api}/sessions?user_id={USER}"), 200)
    expected = [{**visit.session, "playoutId": PLAYOUT}]
    need(answer.json()["data"] == expected, "the user's session is as POST gave it", answer)


def counts(visit: Visit) -> None:
    for query in ("", "?interval=hour", "?tz=Europe/Berlin", "?interval=hour&tz=Australia/Lord_Howe"):
        answer = status(visit.ask("GET", f"{visit.api}/statistics{query}"), 200)
        total = sum(bucket["sessions"] for bucket in answer.json()["data"])
        need(total == visit.started, f"{visit.started} sessions are counted, not {total} ({query})", answer)


def proxies_zephr(visit: Visit) -> None:
    answer = visit.ask("GET", visit.zephr_path)
    if visit.has_zephr:
        need(
            status(answer, 200).json()["tenantId"] == "demo",
            "Zephr's session comes as Zephr sends it",
            answer,
        )
    else:
        need(details(status(answer, 501)) == "ZEPHR_NOT_CONFIGURED", "it says so", answer)


def ends(visit: Visit) -> None:
    path = f"{visit.api}/session"
    token = visit.start().get("X-JAY-TRACKING")
    answer = status(visit.ask("DELETE", path), 200)
    need(
        answer.json()["data"]["message"] == "No tracking session was ended.",
        "without a token nothing is ended",
        answer,
    )
    for name, text in (("Cookie", f"{COOKIE}={token}"), ("X-JAY-TRACKING", token)):
        answer = status(visit.ask("DELETE", path, (name, text)), 200)
        need(said(answer) == "The tracking session has ended.", "it says that the session has ended", answer)
        need(any("Max-Age=0" in line for line in answer.all("Set-Cookie")), "the cookie is deleted", answer)
        status(visit.ask("GET", path, (name, text)), 400)


STEPS = (
    ("POST starts a session", starts),
    ("GET reads it by cookie and by header", reads),
    ("POST reads JSON and forms", starts_by_body),
    ("many sessions start at the same time", starts_many),
    ("what is wrong is refused", refuses),
    ("DELETE ends a session, and says so only where it did", ends),
    ("the listing has them all", lists),
    ("the statistics count them all", counts),
    ("a Zephr session is looked up", proxies_zephr),
)
