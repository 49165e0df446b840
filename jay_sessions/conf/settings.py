"""The names in `JAY_SESSIONS`, each declared once."""

import dataclasses
import datetime
from collections.abc import Mapping

from ..core import providers, tokens
from ..core.identifiers import check_text
from ..core.rates import Rate
from ..core.spans import Length
from ..core.tokens import Token
from ..core.user_ids import Storage, UserIds
from ..exceptions import InvalidToken
from . import parsers
from .declaration import setting
from .zephr import ZephrSettings, parse_zephr

IGNORED_USER_IDS = ("undefined", "null", "NaN", "None", "[object Object]")
"""Texts that client code sends by mistake: JavaScript's and Python's names for a missing value."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`JAY_SESSIONS`, checked, with defaults filled in.

    `signing_keys` come from `SECRET_KEY` and `SECRET_KEY_FALLBACKS`: the first one signs, all of them verify.
    `user_ids` is `USER_ID_STORAGE` with keys made from `USER_ID_KEYS`, or else from the same two settings.
    `site` is a digest of `SECRET_KEY`: it tells sites apart that share a cache.
    """

    signing_keys: tuple[bytes, ...] = dataclasses.field(repr=False)
    site: str
    user_ids: UserIds
    require_signed_tokens: bool = setting(
        parsers.flag,
        check="E002",
        default=False,
        example="True",
        meaning="Whether GET accepts only tokens that this site has signed. If False, it also accepts "
        "tokens from the publisher's own API.",
    )
    session_lifetime: datetime.timedelta | None = setting(
        parsers.lifetime,
        check="E003",
        default=None,
        example="30 * 24 * 60 * 60",
        meaning="How long a session is valid after its start: seconds or a timedelta, at least 1 "
        "second. None: until it is ended.",
    )
    retention: datetime.timedelta | None = setting(
        parsers.lifetime,
        check="E032",
        default=None,
        example='90 * 24 * 60 * 60, "SESSION_LIFETIME": 30 * 24 * 60 * 60',
        meaning="How long after its start `jay_purge_sessions` deletes a session: seconds or a "
        "timedelta. Needs a `SESSION_LIFETIME` that is not longer. None: never.",
    )
    partitions: Length | None = setting(
        parsers.partitions,
        check="E045",
        default=None,
        example='"month"',
        meaning='The length of a partition of the tables of sessions and ends: "month", "week" or '
        '"day". Old partitions are dropped as a whole. Needs PostgreSQL, and `jay_partition_sessions` every '
        "day. None: plain tables.",
    )
    user_id_storage: Storage = setting(
        parsers.one_of(*Storage),
        check="E033",
        default=Storage.PLAIN,
        example='"hashed"',
        meaning='In which form user ids are stored: "plain" (as sent), "hashed" (with a key) or "none" '
        "(not at all).",
    )
    user_id_keys: list[str] | None = setting(
        parsers.user_id_keys,
        check="E034",
        default=None,
        secret=True,
        example='[os.environ["USER_ID_KEY"]]',
        meaning="Secrets to hash user ids with, each at least 32 characters long. The first one makes "
        "new hashes. All of them find stored sessions. None: the keys are made from `SECRET_KEY` and "
        "`SECRET_KEY_FALLBACKS`.",
    )
    ignored_user_ids: tuple[str, ...] = setting(
        parsers.ignored_user_ids,
        check="E038",
        default=IGNORED_USER_IDS,
        example='["undefined", "null", "NaN", "None", "[object Object]"]',
        meaning="User ids that client code sends by mistake. A session that starts with one of them "
        "gets no user. Only exact matches count. In all other places, these ids are like any other.",
    )
    global_privacy_control: bool = setting(
        parsers.flag,
        check="E035",
        default=False,
        example="True",
        meaning="Whether a POST with the header `Sec-GPC: 1` starts a session without a user id, even "
        "if it carries one.",
    )
    source: str = setting(
        parsers.text,
        check="E004",
        default="jay.api.playout.1.0.0",
        example='"jay.api.playout.1.0.0"',
        meaning="The name of the API that created the session, stored as its `source`: up to 255 characters.",
    )
    provider_names: Mapping[str, str | None] = setting(
        parsers.provider_names,
        check="E005",
        default_factory=dict,
        example='{"nflx-*": "netflix"}',
        meaning="Provider names by pattern of playout ids. `*` is the only wildcard, and the first "
        "pattern that matches counts. The name None means no provider. If no pattern matches, "
        "`PROVIDER_RESOLVER` is used.",
    )
    provider_resolver: providers.Resolver | None = setting(
        parsers.provider_resolver,
        check="E006",
        default=None,
        example='"mysite.playouts.provider_of"',
        meaning="A callable, or its dotted path. It takes a playout id and returns a provider name or "
        "None. Default: the id's leading letters and digits in lower case.",
    )
    cookie_name: str = setting(
        parsers.cookie_name,
        check="E007",
        default="__Secure-jay_tracking",
        example='"__Secure-jay_tracking"',
        meaning="The tracking cookie's name.",
    )
    cookie_samesite: str = setting(
        parsers.one_of("Lax", "Strict", "None"),
        check="E008",
        default="Lax",
        example='"Lax"',
        meaning='The tracking cookie\'s `SameSite`: "Lax", "Strict", or "None" for players on other sites.',
    )
    cookie_partitioned: bool = setting(
        parsers.flag,
        check="E039",
        default=False,
        example='True, "COOKIE_SAMESITE": "None"',
        meaning="Whether the tracking cookie is `Partitioned` (CHIPS): browsers that block third-party "
        "cookies then keep it for players on other sites, one cookie for each of these sites. Needs "
        '`COOKIE_SAMESITE` "None".',
    )
    cookie_domain: str | None = setting(
        parsers.cookie_domain,
        check="E009",
        default=None,
        example='"example.com"',
        meaning="The tracking cookie's `Domain`, to share it with subdomains. None: the host alone.",
    )
    throttle_rates: Mapping[str, Rate] = setting(
        parsers.throttle_rates,
        check="E021",
        default_factory=dict,
        example='{"key": "6000/min", "anonymous": "60/min"}',
        meaning="Limits on the number of requests. `key`: for each API key. `anonymous`: for each "
        "address, for requests without a valid key. A rate is a number per s, min, hour or day. A rate "
        "that is missing or None means no limit.",
    )
    num_proxies: int = setting(
        parsers.whole_number("must be the number of proxies in front of the site, 0 for none", most=100),
        check="E022",
        default=0,
        example="1",
        meaning="How many proxies in front of the site add an address to `X-Forwarded-For`. The "
        "client's address is the one that the first of them added. 0: the header is ignored, and the "
        "address of the connection counts.",
    )
    recorder: str | None = setting(
        parsers.none_or_one_of("direct", "group"),
        check="E029",
        default=None,
        example='"direct"',
        meaning='How starts and ends of sessions are committed: "direct", each by its own request, or '
        '"group", together with others that come at the same time. None: "group" on PostgreSQL with '
        'psycopg 3, and "direct" on other databases, with psycopg 2, and in Django\'s tests.',
    )
    end_propagation: float = setting(
        parsers.seconds_or_zero,
        check="E030",
        default=0.0,
        example='5, "SESSION_LIFETIME": 30 * 24 * 60 * 60',
        meaning="For how many seconds other processes may still accept an ended session. 0: they ask "
        "the database each time. Needs a `SESSION_LIFETIME`.",
    )
    database_timeout: float = setting(
        parsers.seconds,
        check="E042",
        default=3.0,
        example="3",
        meaning="The time limit in seconds for PostgreSQL to look up a key, or to start, read or end a "
        "session. Then the connection is dropped, and a new one gets the same time. SQLite has its own "
        "`timeout`.",
    )
    max_connections: int = setting(
        parsers.whole_number("must be a whole number of connections, 9 or more", least=9, most=1000),
        check="E043",
        default=10,
        example="10",
        meaning="How many PostgreSQL connections a process may use for this app under ASGI, at least 9. "
        "Two of them look up unknown keys. With `RECORDER` `group`, five write and look up sessions. "
        "The others are for all other requests. With `group`, the limit also holds for the tracking "
        "endpoints under WSGI.",
    )
    max_daily_playouts: int = setting(
        parsers.whole_number("must be a whole number of playouts, 1 or more", least=1, most=1_000_000),
        check="E046",
        default=20_000,
        example="20_000",
        meaning="How many different playouts of a day `jay_rollup_sessions` counts one by one for each API "
        "key. Further ones are counted together, as other playouts. A client that invents playout ids "
        "cannot fill the database this way. The same limit holds for providers.",
    )
    pin_workers: bool = setting(
        parsers.flag,
        check="E031",
        default=False,
        example="True",
        meaning="Whether each worker process stays on one processor core (Linux). Write True for a site "
        "under WSGI if no other program needs the cores. Under ASGI the gain depends on the machine.",
    )
    zephr: ZephrSettings | None = setting(
        parse_zephr,
        check="E010",
        default=None,
        example='{"TENANT": "acme", "ACCESS_KEY": "…", "SECRET_KEY": "…"}',
        meaning="Zephr's Admin API, with the names below. None or an empty dict: no Zephr sessions are "
        "read or linked.",
    )

    def provider_name(self, playout_id: str) -> str | None:
        """Return the playout's provider by `PROVIDER_NAMES` and `PROVIDER_RESOLVER`, or None."""
        name = providers.provider_name(playout_id, self.provider_names, self.provider_resolver)
        return check_text(name) if name else None

    def token_of(self, text: str) -> Token | None:
        """Return the token that a text holds; None for one that is malformed or wrongly signed."""
        try:
            return tokens.decode(text, self.signing_keys)
        except InvalidToken:
            return None

    def expired_until(self, now: datetime.datetime) -> datetime.datetime | None:
        """Return the time `SESSION_LIFETIME` before `now`: sessions that started until then have expired.

        None without a `SESSION_LIFETIME`.
        """
        return None if self.session_lifetime is None else now - self.session_lifetime
