"""Each name in the setting `JAY_SESSIONS`: what it does, an example, and the check that speaks of it.

The hints of the system checks come from here, and the page docs/settings.md.
"""

from typing import NamedTuple


class Name(NamedTuple):
    """One name: the number of its check, a value to write, and what it does."""

    check: str
    example: str
    meaning: str


NAMES: dict[str, Name] = {
    "REQUIRE_SIGNED_TOKENS": Name(
        "E002",
        "True",
        "Whether GET takes only tokens that this site has signed, and not those of the publisher's own API.",
    ),
    "SESSION_LIFETIME": Name(
        "E003",
        "30 * 24 * 60 * 60",
        "How long a session is valid after its start: seconds or a timedelta, 1 second or more. "
        "None: as long as it is not ended.",
    ),
    "RETENTION": Name(
        "E032",
        '90 * 24 * 60 * 60, "SESSION_LIFETIME": 30 * 24 * 60 * 60',
        "How long after its start `jay_purge_sessions` deletes a session: seconds or a timedelta, "
        "`SESSION_LIFETIME` or longer. None: never.",
    ),
    "USER_ID_STORAGE": Name(
        "E033",
        '"hashed"',
        'In which form user ids are stored: "plain" (as sent), "hashed" (with a key) or "none" (not at all).',
    ),
    "USER_ID_KEYS": Name(
        "E034",
        '[os.environ["USER_ID_KEY"]]',
        "Secrets that user ids are hashed with, each of 32 characters or more: the first one hashes, all of "
        "them find. None: they are made of `SECRET_KEY` and `SECRET_KEY_FALLBACKS`.",
    ),
    "GLOBAL_PRIVACY_CONTROL": Name(
        "E035",
        "True",
        "Whether a POST with `Sec-GPC: 1` starts a session without a user id, whatever else it says.",
    ),
    "SOURCE": Name(
        "E004",
        '"jay.api.playout.1.0.0"',
        "What a session says of the API that it comes from: up to 255 characters.",
    ),
    "PROVIDER_NAMES": Name(
        "E005",
        '{"nflx-*": "netflix"}',
        "Providers' names by patterns of playout ids, `*` being the only wildcard; the first one that fits "
        "counts, None is no provider. Where none fits, `PROVIDER_RESOLVER` is asked.",
    ),
    "PROVIDER_RESOLVER": Name(
        "E006",
        '"mysite.playouts.provider_of"',
        "A callable, or its dotted path, that makes a provider's name, or None, of a playout id. "
        "None: the id's leading letters and digits in lower case.",
    ),
    "COOKIE_NAME": Name(
        "E007",
        '"__Secure-jay_tracking"',
        "The tracking cookie's name.",
    ),
    "COOKIE_SAMESITE": Name(
        "E008",
        '"Lax"',
        'The tracking cookie\'s `SameSite`: "Lax", "Strict", or "None" for players on other sites.',
    ),
    "COOKIE_DOMAIN": Name(
        "E009",
        '"example.com"',
        "The tracking cookie's `Domain`, to share it with subdomains. None: the host alone.",
    ),
    "THROTTLE_RATES": Name(
        "E021",
        '{"key": "6000/min", "anonymous": "60/min"}',
        "How many requests are answered: `key`, with one API key; `anonymous`, without a valid key from one "
        "address. As a number by s, min, hour or day; a rate that is missing or None is no limit.",
    ),
    "NUM_PROXIES": Name(
        "E022",
        "1",
        "How many proxies in front of the site extend `X-Forwarded-For`: the address before them is "
        "the client's. 0: the connection's own.",
    ),
    "RECORDER": Name(
        "E029",
        '"group"',
        'How a started session is committed: "direct", by its request, or "group", together with those '
        "that start at the same time.",
    ),
    "END_PROPAGATION": Name(
        "E030",
        '5, "SESSION_LIFETIME": 30 * 24 * 60 * 60',
        "For how many seconds other processes may go on taking an ended session for valid. "
        "0: the database is asked each time. Needs a `SESSION_LIFETIME`.",
    ),
    "PIN_WORKERS": Name(
        "E031",
        "True",
        "Whether each worker process keeps to one processor core (Linux).",
    ),
    "ZEPHR": Name(
        "E010",
        '{"TENANT": "acme", "ACCESS_KEY": "…", "SECRET_KEY": "…"}',
        "Zephr's Admin API, by the names below. An empty dict or None: no proxy, nothing is linked.",
    ),
}

ZEPHR_NAMES: dict[str, Name] = {
    "TENANT": Name(
        "E011",
        '"acme"',
        "The tenant: the API is at `https://<tenant>.api.zephr.com`. Either it or `BASE_URL` is needed.",
    ),
    "BASE_URL": Name(
        "E012",
        '"https://acme.api.zephr.com"',
        "Where the API is, if not at the tenant's usual place.",
    ),
    "ACCESS_KEY": Name(
        "E013",
        'os.environ["ZEPHR_ACCESS_KEY"]',
        "The access key that Zephr issued. Needed.",
    ),
    "SECRET_KEY": Name(
        "E014",
        'os.environ["ZEPHR_SECRET_KEY"]',
        "The secret key that Zephr issued with it. Needed.",
    ),
    "TIMEOUT": Name("E015", "8", "Seconds for a whole call, its retries included."),
    "CONNECT_TIMEOUT": Name("E016", "2", "Seconds until a connection stands."),
    "CACHE_TIMEOUT": Name(
        "E017", "30", "Whole seconds that a session is kept in Django's default cache. 0: not at all."
    ),
    "NOT_FOUND_CACHE_TIMEOUT": Name(
        "E018",
        "5",
        "Whole seconds that it is remembered that Zephr knows no such session. 0: not at all.",
    ),
    "MAX_ATTEMPTS": Name("E025", "3", "Requests that a call may cost, from 1 to 10, all within `TIMEOUT`."),
    "STALE_IF_ERROR": Name(
        "E026", "600", "Whole seconds more that a session is kept, for while Zephr fails. 0: not at all."
    ),
    "CIRCUIT_FAILURES": Name(
        "E027", "10", "Calls that fail in a row until Zephr is left alone for a while. 0: it never is."
    ),
    "CIRCUIT_TIMEOUT": Name("E028", "10", "Seconds for which it then is."),
    "LINK_SESSIONS": Name(
        "E023", "True", "Whether POST stores which Zephr session a tracking session belongs to."
    ),
    "SESSION_COOKIE_NAME": Name(
        "E024", '"blaize_session"', "The cookie that says so, if the client does not."
    ),
}
