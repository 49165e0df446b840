"""What a case is played on: a database behind a proxy, a site in front of both, and its clients."""

import contextlib
import dataclasses
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit, urlunsplit

from ..support import servers, site_process
from ..support.postgres_server import Migrated, Server
from ..support.site_process import Site
from .judge import Verdict, judge, rows_of
from .load import Load
from .proxy import Proxy, at_port
from .variants import Variant


@dataclasses.dataclass
class Stage:
    """A case's parts; `url` leads past the proxy to the database that is to be judged by."""

    variant: Variant
    cluster: Server
    proxy: Proxy
    site: Site
    url: str
    _note: Callable[[Verdict], None]

    def load(self) -> Load:
        """Return clients of the site, not at work yet."""
        not_ready = 500 if self.variant.plain else 503
        return Load(self.site.server, self.variant.end_propagation, not_ready)

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Let clients work before, during and after an outage that the block makes; judge their answers.

        The outage is over when the block ends.
        """
        with self.load() as load:
            assert load.settle(quiet=1.0)
            yield
            over = time.monotonic()
            settled = load.settle()
        self.conclude(load, over, settled=settled)

    def lead_to(self, server: Server) -> None:
        """Lead new connections to another server, which has the database now."""
        self.proxy.lead_to(server.address)
        self.url = at_port(self.url, server.port)

    @property
    def login(self) -> str:
        """The site's login at the database."""
        return str(urlsplit(self.site.server.database_url).username)

    def connections(self) -> int:
        """Return how many connections the site has to the database."""
        question = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{self.login}'"
        return int(self.cluster.run(question)[0])

    def conclude(self, load: Load, over: float, *, settled: bool) -> Verdict:
        """Note what came of an ended load; raises AssertionError where something does not hold.

        `over` is when the outage ended (or silence began), as `time.monotonic` has it.
        """
        if settled:
            load.ask_again(over)
        verdict = judge(load, rows_of(self.url), over, settled=settled)
        self._note(verdict)
        if verdict.faults:
            sys.stdout.write(self.site.log())
        assert not verdict.faults, "\n".join([*verdict.faults, str(verdict)])
        return verdict


@contextlib.contextmanager
def staged(
    migrated: Migrated, variant: Variant, note: Callable[[Verdict], None], limit: int | None = None
) -> Iterator[Stage]:
    """Serve a variant with a new database of the server, reached through a proxy.

    With a `limit` the site's login may have so many connections, and no more.
    """
    cluster, url = migrated.server, migrated.new_database()
    if variant.partitions:
        environment = {**servers.example_site(url), "JAY_PARTITIONS": variant.partitions}
        servers.manage(environment, "jay_partition_sessions")
    login = url if limit is None else _limited(cluster, url, limit)
    with Proxy(cluster.address) as proxy:
        address = servers.Server(servers.free_port(), migrated.key, proxy.url(login), name=variant.server)
        with site_process.serving(address, variant.command(), variant.environment()) as site:
            yield Stage(variant, cluster, proxy, site, url, note)


def _limited(cluster: Server, url: str, limit: int) -> str:
    """Return the URL of a database for a new login that may have so many connections."""
    parts = urlsplit(url)
    name = f"login_{secrets.token_hex(4)}"
    cluster.run(f"CREATE ROLE {name} LOGIN PASSWORD '{name}' CONNECTION LIMIT {limit}")
    for kind in ("TABLES", "SEQUENCES"):
        cluster.run(f"GRANT ALL ON ALL {kind} IN SCHEMA public TO {name}", parts.path[1:])
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{name}:{name}@{place}"))
