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
        meaning="The tenant: the API is at `https://<tenant>.api.zephr.com`. Either it or `BASE_URL` is "
        "needed.",
    )
    base_url: str = setting(
        parsers.base_url,
        check="E012",
        example='"https://acme.api.zephr.com"',
        meaning="Where the API is, if not at the tenant's usual place.",
    )
    access_key: str = setting(
        parsers.access_key,
        check="E013",
        secret=True,
        example='os.environ["ZEPHR_ACCESS_KEY"]',
        meaning="The access key that Zephr issued. Needed.",
    )
    secret_key: str = setting(
        parsers.secret_key,
        check="E014",
        secret=True,
        example='os.environ["ZEPHR_SECRET_KEY"]',
        meaning="The secret key that Zephr issued with it. Needed.",
    )
    timeout: float = setting(
        parsers.seconds,
        check="E015",
        default=8.0,
        example="8",
        meaning="Seconds for a whole call, its retries included.",
    )
    connect_timeout: float = setting(
        parsers.seconds,
        check="E016",
        default=2.0,
        example="2",
        meaning="Seconds until a connection stands.",
    )
    cache_timeout: int = setting(
        parsers.whole_seconds,
        check="E017",
        default=30,
        example="30",
        meaning="Whole seconds that a session is kept in Django's default cache. 0: not at all.",
    )
    not_found_cache_timeout: int = setting(
        parsers.whole_seconds,
        check="E018",
        default=5,
        example="5",
        meaning="Whole seconds that it is remembered that Zephr knows no such session. 0: not at all.",
    )
    max_attempts: int = setting(
        parsers.whole_number("must be a whole number of attempts, from 1 to 10", least=1, most=10),
        check="E025",
        default=3,
        example="3",
        meaning="Requests that a call may cost, from 1 to 10, all within `TIMEOUT`.",
    )
    max_waiting: int = setting(
        parsers.whole_number("must be a whole number of threads, 1 or more", least=1),
        check="E044",
        default=2,
        example="2",
        meaning="Threads of a process that wait for Zephr at the same time, 1 or more; further look-ups "
        "are refused, with 503, after a quarter of a second at the most. Fewer than the threads that a "
        "process has: half of them is a good choice. Under ASGI, and for async code, it is 64 whatever "
        "stands here.",
    )
    stale_if_error: int = setting(
        parsers.whole_seconds,
        check="E026",
        default=0,
        example="600",
        meaning="Whole seconds more that a session is kept, for while Zephr fails. 0: not at all.",
    )
    circuit_failures: int = setting(
        parsers.whole_number("must be a whole number of failures in a row, 0 to switch it off"),
        check="E027",
        default=10,
        example="10",
        meaning="Calls that fail in a row until Zephr is left alone for a while. 0: it never is.",
    )
    circuit_timeout: float = setting(
        parsers.seconds,
        check="E028",
        default=10.0,
        example="10",
        meaning="Seconds for which it then is.",
    )
    link_sessions: bool = setting(
        parsers.flag,
        check="E023",
        default=False,
        example="True",
        meaning="Whether POST stores which Zephr session a tracking session belongs to.",
    )
    session_cookie_name: str = setting(
        parsers.cookie_name,
        check="E024",
        default="blaize_session",
        example='"blaize_session"',
        meaning="The cookie that says so, if the client does not.",
    )
    proxy: str | None = setting(
        parsers.proxy,
        check="E040",
        default=None,
        secret=True,  # it may hold a login
        example='os.environ["ZEPHR_PROXY"]',
        meaning="The http or https proxy that leads to Zephr, such as "
        "`http://user:password@proxy.example.com:3128`, whatever `NO_PROXY` says. None: that of the "
        "environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`). SOCKS is not supported.",
    )
    ca_bundle: str | None = setting(
        parsers.ca_bundle,
        check="E041",
        default=None,
        example='"/etc/ssl/certs/our-ca.pem"',
        meaning="The file (PEM) of the certificate authorities to trust in place of those that come with "
        "`requests`. None: that of the environment (`REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`, "
        "`SSL_CERT_FILE`, `SSL_CERT_DIR`).",
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
