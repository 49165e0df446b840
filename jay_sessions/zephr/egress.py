"""The route to Zephr: the proxy, and the certificate authorities to trust.

Arguments come first, then the environment. It is read as `requests` and curl read it:
`HTTPS_PROXY` (for an http base URL `HTTP_PROXY`), `ALL_PROXY` and `NO_PROXY`; the first of `CA_VARIABLES`.
"""

import dataclasses
import errno
import http
import os
import ssl
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

from requests.utils import should_bypass_proxies

from ..core.proxy_url import Proxy
from .answers import PASSING_STATUSES

CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Environment variables that name a file or directory of certificates to trust; the first one set counts."""

_STATUSES = frozenset(http.HTTPStatus)


class ProxyFailure(OSError):
    """The proxy cannot be used or reached, or it refuses; `strerror` says which. Holds no login.

    `may_pass`: the next try may succeed.
    """

    may_pass = False

    @classmethod
    def answered(cls, status: int) -> Self:
        """Return the failure for a status. Its text is ours, as the proxy's words may be anything."""
        phrase = f" {http.HTTPStatus(status).phrase}" if status in _STATUSES else ""
        failure = cls(errno.EPROTO, f"it answered {status}{phrase}")
        failure.may_pass = status in PASSING_STATUSES
        return failure


class BundleFailure(OSError):
    """The file of trusted certificates cannot be used; `strerror` says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Route:
    """How requests get to Zephr.

    `proxy_from` and `ca_bundle_from` are the names of the environment variables used, or "".
    `problem` says what is wrong with the variable `proxy_from`; "" if nothing is.
    """

    proxy: Proxy | None = None
    proxy_from: str = ""
    ca_bundle: str | None = None
    ca_bundle_from: str = ""
    problem: str = ""

    def bundle_failure(self, cause: object) -> BundleFailure | None:
        """Return a failure of the bundle if the bundle caused this one, else None."""
        # A network error has an errno. The file is read only if it may be the cause.
        suspected = isinstance(cause, ssl.SSLError) or (isinstance(cause, OSError) and cause.errno is None)
        problem = bundle_problem(self.ca_bundle) if suspected and self.ca_bundle else ""
        if not problem:
            return None
        return BundleFailure(
            errno.ENOENT, f"{self.ca_bundle_from or 'CA_BUNDLE'} {problem}: {self.ca_bundle}"
        )


def route(base_url: str, proxy: str | None = None, ca_bundle: str | None = None) -> Route:
    """Return the route to `base_url`. For an argument that is None, the environment decides.

    Raises ValueError for an invalid `proxy`. `ca_bundle` is only read when a connection is made.
    """
    variable, bundle = "", (ca_bundle, "")
    if proxy is None:
        variable, proxy = _proxy_of_environment(base_url)
    if ca_bundle is None:
        bundle = _bundle_of_environment()
    try:
        parsed = None if proxy is None else Proxy.parse(proxy)
    except ValueError as error:
        if not variable:
            raise
        return Route(None, variable, *bundle, problem=f"{variable} of the environment {error}")
    return Route(parsed, variable, *bundle)


def _proxy_of_environment(base_url: str) -> tuple[str, str | None]:
    proxies = getproxies_environment()
    for name in (urlsplit(base_url).scheme, "all"):
        if not (text := proxies.get(name)):
            continue
        if should_bypass_proxies(base_url, no_proxy=None):
            break
        lower = f"{name}_proxy"
        # As in curl, a proxy without a scheme is an http one.
        return lower if lower in os.environ else lower.upper(), text if "://" in text else f"http://{text}"
    return "", None


def _bundle_of_environment() -> tuple[str | None, str]:
    return next(((os.environ[name], name) for name in CA_VARIABLES if os.environ.get(name)), (None, ""))


def bundle_problem(path: str) -> str:
    """Return what is wrong with a file of certificates: it is missing, unreadable, or has none in PEM form.

    The words complete a sentence: "names a file that does not exist"; "" if all is well. A directory is not
    checked.
    """
    if os.path.isdir(path):  # noqa: PTH112 (a path that cannot be is no directory)
        return ""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except FileNotFoundError:
        return "names a file that does not exist"
    except ssl.SSLError:
        return "names a file without a certificate in PEM form"
    except (OSError, ValueError) as error:
        return f"names a file that cannot be read ({getattr(error, 'strerror', None) or 'no path'})"
    return ""
