"""What came of the sites: in words where something is wrong, and as the table of docs/sites.md."""

from collections.abc import Iterable
from pathlib import Path

from .databases import DATABASES
from .declared import SITES, Site
from .results import Result
from .servers import SERVERS
from .startproject import ROOT
from .themes import THEMES

PAGE = ROOT / "docs" / "sites.md"
BEGIN, END = "<!-- Made by `make sites`: -->\n", "<!-- until here. -->\n"
UNDERSCORES = "operations.md#headers-that-are-split-or-misspelt"
TAIL = 60
"""Lines of the server's log that are shown where something is wrong."""
HEAD = ("site", "database", "server", "fast lane", "recorder", "admin", "also", "versions", "")


def described(site: Site) -> list[str]:
    """Return the cells of a site's row that are known before it is driven."""
    lane = "with" if site.lane else "without"
    also = ", ".join(site.variations)
    return [site.name, site.database, site.server, lane, site.recorder, site.admin, also]


def failure(result: Result) -> str:
    """Return all that is known of a site where something is wrong."""
    lines = [f"\n=== {result.site.name}: {', '.join(filter(None, described(result.site)[1:]))}"]
    lines += [f"right: {title}" for title in result.right]
    for title, text in result.wrong:
        lines.append(f"WRONG: {title}\n" + "\n".join(f"    {line}" for line in text.splitlines()))
    tail = result.log.splitlines()[-TAIL:]
    return "\n".join([*lines, f"--- the last {len(tail)} lines that the server wrote", *tail])


def summary(result: Result) -> str:
    """Return a line on a site."""
    said = "right" if not result.wrong else "WRONG: " + "; ".join(title for title, _ in result.wrong)
    return f"{result.site.name:28} {result.seconds:5.0f} s  {said}"


def row(result: Result) -> list[str]:
    """Return the cells of a site's row."""
    return [*described(result.site), _versions(result), _came_of_it(result)]


def table(rows: Iterable[list[str]]) -> str:
    """Return the table of the sites, in Markdown."""
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (list(HEAD), ["---"] * len(HEAD), *rows))


def _versions(result: Result) -> str:
    if result.environment is None:
        return ""
    site, versions = result.site, result.environment.versions
    packages = ["django", DATABASES[site.database].driver, THEMES[site.admin].package]
    if site.server in SERVERS and not site.refused:
        packages.append(SERVERS[site.server].package)
    series = ".".join(result.environment.python_version.split(".")[:2])
    shown = {name: versions[name] for name in packages if name}
    return ", ".join([f"Python {series}", *(f"{name} {version}" for name, version in shown.items())])


def _came_of_it(result: Result) -> str:
    if result.wrong:
        return f"fails: {result.wrong[0][0]}" + (
            f", and {more} more" if (more := len(result.wrong) - 1) else ""
        )
    if result.site.refused:
        return "an error of `manage.py check`"
    server = SERVERS.get(result.site.server)
    return "works" if server is None or server.keeps_names else f"works, with a [proxy]({UNDERSCORES})"


def write(results: Iterable[Result], page: Path = PAGE) -> None:
    """Write the rows of these sites into the page's table, in which the others keep theirs."""
    known = {cells[0]: cells for cells in rows(page)} | {one.site.name: row(one) for one in results}
    text = page.read_text(encoding="utf-8")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    made = table(known[site.name] for site in SITES if site.name in known)
    page.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}", encoding="utf-8")


def rows(page: Path = PAGE) -> list[list[str]]:
    """Return the rows of the table in the page, as cells."""
    inside = page.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    lines = [line for line in inside.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def listed() -> str:
    """Return a line on each site that is declared."""
    return "\n".join(f"{site.name:28} {', '.join(filter(None, described(site)[1:]))}" for site in SITES)
