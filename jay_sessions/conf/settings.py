"""The names in `JAY_SESSIONS`, each declared once."""

import dataclasses
import datetime
from collections.abc import Mapping

from ..core import providers
from ..core.identifiers import check_text
from ..core.rates import Rate
from ..core.user_ids import Storage, UserIds
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
        meaning="Whether GET takes only tokens that this site has signed, and not those of the "
        "publisher's own API.",
    )
    session_lifetime: datetime.timedelta | None = setting(
        parsers.lifetime,
        check="E003",
        default=None,
        example="30 * 24 * 60 * 60",
        meaning="How long a session is valid after its start: seconds or a timedelta, 1 second or more. "
        "None: as long as it is not ended.",
    )
    retention: datetime.timedelta | None = setting(
        parsers.lifetime,
        check="E032",
        default=None,
        example='90 * 24 * 60 * 60, "SESSION_LIFETIME": 30 * 24 * 60 * 60',
        meaning="How long after its start `jay_purge_sessions` deletes a session: seconds or a timedelta, "
        "`SESSION_LIFETIME` or longer. None: never.",
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
        meaning="Secrets that user ids are hashed with, each of 32 characters or more: the first one "
        "hashes, all of them find. None: they are made of `SECRET_KEY` and `SECRET_KEY_FALLBACKS`.",
    )
    ignored_user_ids: tuple[str, ...] = setting(
        parsers.ignored_user_ids,
        check="E038",
        default=IGNORED_USER_IDS,
        example='["undefined", "null", "NaN", "None", "[object Object]"]',
        meaning="User ids that client code sends by mistake: a session that starts with one of them has "
        "no user. They are compared as they are written here; everywhere else, such an id is one like any "
        "other.",
    )
    global_privacy_control: bool = setting(
        parsers.flag,
        check="E035",
        default=False,
        example="True",
        meaning="Whether a POST with `Sec-GPC: 1` starts a session without a user id, whatever else it says.",
    )
    source: str = setting(
        parsers.text,
        check="E004",
        default="jay.api.playout.1.0.0",
        example='"jay.api.playout.1.0.0"',
        meaning="What a session says of the API that it comes from: up to 255 characters.",
    )
    provider_names: Mapping[str, str | None] = setting(
        parsers.provider_names,
        check="E005",
        default_factory=dict,
        example='{"nflx-*": "netflix"}',
        meaning="Providers' names by patterns of playout ids, `*` being the only wildcard; the first one "
        "that fits counts, None is no provider. Where none fits, `PROVIDER_RESOLVER` is asked.",
    )
    provider_resolver: providers.Resolver | None = setting(
        parsers.provider_resolver,
        check="E006",
        default=None,
        example='"mysite.playouts.provider_of"',
        meaning="A callable, or its dotted path, that makes a provider's name, or None, of a playout id. "
        "None: the id's leading letters and digits in lower case.",
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
        meaning="How many requests are answered: `key`, with one API key; `anonymous`, without a valid "
        "key from one address. As a number by s, min, hour or day; a rate that is missing or None is no "
        "limit.",
    )
    num_proxies: int = setting(
        parsers.whole_number("must be the number of proxies in front of the site, 0 for none", most=100),
        check="E022",
        default=0,
        example="1",
        meaning="How many proxies in front of the site extend `X-Forwarded-For`: the address before them is "
        "the client's. 0: the connection's own.",
    )
    recorder: str = setting(
        parsers.one_of("direct", "group"),
        check="E029",
        default="direct",
        example='"group"',
        meaning='How a started session is committed: "direct", by its request, or "group", together with '
        "those that start at the same time.",
    )
    end_propagation: float = setting(
        parsers.seconds_or_zero,
        check="E030",
        default=0.0,
        example='5, "SESSION_LIFETIME": 30 * 24 * 60 * 60',
        meaning="For how many seconds other processes may go on taking an ended session for valid. "
        "0: the database is asked each time. Needs a `SESSION_LIFETIME`.",
    )
    database_timeout: float = setting(
        parsers.seconds,
        check="E042",
        default=3.0,
        example="3",
        meaning="Seconds that PostgreSQL has to look up a key, and to start, read or end a session. Then the "
        "connection is dropped, and a new one gets as long. SQLite has its own `timeout`.",
    )
    max_connections: int = setting(
        parsers.whole_number("must be a whole number of connections, 8 or more", least=8, most=1000),
        check="E043",
        default=10,
        example="10",
        meaning="How many connections to PostgreSQL a process has for this app under ASGI, 8 or more: two "
        "to look up unknown keys, with `RECORDER` `group` four to write and to look up sessions, the "
        "others for all other requests.",
    )
    pin_workers: bool = setting(
        parsers.flag,
        check="E031",
        default=False,
        example="True",
        meaning="Whether each worker process keeps to one processor core (Linux).",
    )
    zephr: ZephrSettings | None = setting(
        parse_zephr,
        check="E010",
        default=None,
        example='{"TENANT": "acme", "ACCESS_KEY": "…", "SECRET_KEY": "…"}',
        meaning="Zephr's Admin API, by the names below. An empty dict or None: no proxy, nothing is linked.",
    )

    def provider_name(self, playout_id: str) -> str | None:
        """Return the playout's provider by `PROVIDER_NAMES` and `PROVIDER_RESOLVER`, or None."""
        name = providers.provider_name(playout_id, self.provider_names, self.provider_resolver)
        return check_text(name) if name else None

    def expired_until(self, now: datetime.datetime) -> datetime.datetime | None:
        """Return the time `SESSION_LIFETIME` before `now`: sessions that started until then have expired.

        None without a `SESSION_LIFETIME`.
        """
        return None if self.session_lifetime is None else now - self.session_lifetime
