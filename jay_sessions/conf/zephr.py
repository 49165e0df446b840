"""The names in `JAY_SESSIONS["ZEPHR"]`, each declared once."""

import dataclasses
from collections.abc import Mapping

from . import parsers
from .declaration import Problem, Problems, read, setting


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ZephrSettings:
    """The address of Zephr's Admin API and the keys to sign with; all times in seconds.

    `tenant` is None if the site sets `BASE_URL` instead; `base_url` is always set.
    """

    tenant: str | None = setting(
        parsers.tenant,
        check="E011",
        example='"acme"',
        meaning="The tenant's name. The API is at `https://<tenant>.api.zephr.com`. Set either this or "
        "`BASE_URL`.",
    )
    base_url: str = setting(
        parsers.base_url,
        check="E012",
        example='"https://acme.api.zephr.com"',
        meaning="The API's URL, if it is not at the tenant's usual address.",
    )
    access_key: str = setting(
        parsers.access_key,
        check="E013",
        secret=True,
        example='os.environ["ZEPHR_ACCESS_KEY"]',
        meaning="The access key that Zephr issued. Required.",
    )
    secret_key: str = setting(
        parsers.secret_key,
        check="E014",
        secret=True,
        example='os.environ["ZEPHR_SECRET_KEY"]',
        meaning="The secret key that Zephr issued with the access key. Required.",
    )
    timeout: float = setting(
        parsers.seconds,
        check="E015",
        default=8.0,
        example="8",
        meaning="The time limit in seconds for a whole call, including its retries.",
    )
    connect_timeout: float = setting(
        parsers.seconds,
        check="E016",
        default=2.0,
        example="2",
        meaning="The time limit in seconds to open a connection.",
    )
    cache_timeout: int = setting(
        parsers.whole_seconds,
        check="E017",
        default=30,
        example="30",
        meaning="How many whole seconds a session stays in Django's default cache. 0: it is not cached.",
    )
    not_found_cache_timeout: int = setting(
        parsers.whole_seconds,
        check="E018",
        default=5,
        example="5",
        meaning='How many whole seconds the answer "not found" stays in the cache. 0: it is not cached.',
    )
    max_attempts: int = setting(
        parsers.whole_number("must be a whole number of attempts, from 1 to 10", least=1, most=10),
        check="E025",
        default=3,
        example="3",
        meaning="How many requests one call may send, from 1 to 10, all within `TIMEOUT`.",
    )
    max_waiting: int = setting(
        parsers.whole_number("must be a whole number of threads, 1 or more", least=1),
        check="E044",
        default=2,
        example="2",
        meaning="How many threads of a process may wait for Zephr at the same time, at least 1. Further "
        "look-ups get a 503 after at most a quarter of a second. Choose a number below the threads of "
        "the process, for example half of them. Under ASGI and in async code, the limit is always 64.",
    )
    stale_if_error: int = setting(
        parsers.whole_seconds,
        check="E026",
        default=0,
        example="600",
        meaning="How many more whole seconds a session stays in the cache, for use while Zephr fails. "
        "0: no longer than `CACHE_TIMEOUT`.",
    )
    circuit_failures: int = setting(
        parsers.whole_number("must be a whole number of failures in a row, 0 to switch it off"),
        check="E027",
        default=10,
        example="10",
        meaning="After how many failed calls in a row the app stops calling Zephr for a while. 0: it "
        "never stops.",
    )
    circuit_timeout: float = setting(
        parsers.seconds,
        check="E028",
        default=10.0,
        example="10",
        meaning="For how many seconds the app then does not call Zephr.",
    )
    link_sessions: bool = setting(
        parsers.flag,
        check="E023",
        default=False,
        example="True",
        meaning="Whether POST links the tracking session to a Zephr session.",
    )
    session_cookie_name: str = setting(
        parsers.cookie_name,
        check="E024",
        default="blaize_session",
        example='"blaize_session"',
        meaning="The cookie with the Zephr session's id. It is used if the client sends no "
        "`zephr_session_id`.",
    )
    proxy: str | None = setting(
        parsers.proxy,
        check="E040",
        default=None,
        secret=True,  # it may hold a login
        example='os.environ["ZEPHR_PROXY"]',
        meaning="The http or https proxy for calls to Zephr, such as "
        "`http://user:password@proxy.example.com:3128`. `NO_PROXY` does not turn it off. None: the "
        "proxy from the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`). SOCKS is "
        "not supported.",
    )
    ca_bundle: str | None = setting(
        parsers.ca_bundle,
        check="E041",
        default=None,
        example='"/etc/ssl/certs/our-ca.pem"',
        meaning="A PEM file with the certificate authorities to trust, instead of those that come with "
        "`requests`. None: those from the environment (`REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`, "
        "`SSL_CERT_FILE`, `SSL_CERT_DIR`), if there are any.",
    )


def parse_zephr(raw: object) -> ZephrSettings | None:
    """Return the settings in `raw`; None for None and for an empty dict. Raises Problems."""
    if not raw and (raw is None or isinstance(raw, Mapping)):
        return None
    values, problems = read(ZephrSettings, raw, "ZEPHR")
    if problems:
        raise Problems(problems)
    tenant, base_url = values.get("tenant"), values.get("base_url")
    if (tenant is None) == (base_url is None):
        problems.append(Problem("ZEPHR", "must have either TENANT or BASE_URL"))
    for name in ("ACCESS_KEY", "SECRET_KEY"):
        if name.lower() not in values:
            problems.append(Problem("ZEPHR", f"must have {name}"))
    if problems:
        raise Problems(problems)
    address = {"tenant": tenant, "base_url": base_url or f"https://{tenant}.api.zephr.com"}
    return ZephrSettings(**{**values, **address})
