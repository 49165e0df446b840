"""Build the package, and add wheel and sdist to an empty site each, as the README says.

    python .ci/package.py

The wheel is installed with what it requires and nothing else, the sdist with all its extras. Prints what
comes of it; ends with an error where anything is not as it should be.
"""

import re
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.sites import servers
from tests.sites.client import OverHttp
from tests.sites.processes import NotRight, run
from tests.sites.startproject import ROOT, append, new, python_blocks, section
from tests.sites.visitor import Visitor

PATH = "/playouts/netflix-de:s01e01/tracking/session"
ADMIN = {"DJANGO_SUPERUSER_USERNAME": "admin", "DJANGO_SUPERUSER_PASSWORD": "not-a-secret"}


def need(holds: object, what: str) -> None:
    if not holds:
        raise NotRight(f"Not so: {what}")
    print(f"  {what}", flush=True)


def environment(room: Path, *packages: str) -> Path:
    venv.create(room, with_pip=True)
    python = room / "bin" / "python"
    install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(python, *install, *packages, cwd=room, timeout=300).right()
    return python


def build(room: Path) -> tuple[Path, Path]:
    python = environment(room / "build", "build", "twine")
    run(python, "-m", "build", "--outdir", room / "dist", ROOT, cwd=room, timeout=300).right()
    (wheel,), (sdist,) = (room / "dist").glob("*.whl"), (room / "dist").glob("*.tar.gz")
    run(python, "-m", "twine", "check", "--strict", wheel, sdist, cwd=room).right()
    compare(wheel, sdist)
    return wheel, sdist


def compare(wheel: Path, sdist: Path) -> None:
    """Both must hold what the repository has, and nothing else that lies around in a checkout."""
    kept = set(run("git", "ls-files", cwd=ROOT).right().out.splitlines())
    with tarfile.open(sdist) as archive:
        there = {name.split("/", 1)[1] for name in archive.getnames()}
    same(there - {"PKG-INFO"}, kept, f"{sdist.name} holds the repository")
    names = zipfile.ZipFile(wheel).namelist()
    app = {name for name in names if ".dist-info/" not in name}
    same(app, {name for name in kept if name.startswith("jay_sessions/")}, f"{wheel.name} holds the app")
    about = {name.split("/", 1)[1] for name in names if ".dist-info/" in name}
    same(about, {"METADATA", "RECORD", "WHEEL", "licenses/LICENSE"}, "its licence and what it says of itself")
    for part in ("py.typed", "templates/", "static/", "migrations/"):
        need(any(name.startswith(f"jay_sessions/{part}") for name in names), f"{part} among it")


def same(found: set[str], wanted: set[str], what: str) -> None:
    for name in sorted(found ^ wanted):
        print(f"  {name} is {'not wanted' if name in found else 'missing'}")
    need(found == wanted, what)


def use(site: OverHttp, key: str) -> None:
    sent = [("Host", "127.0.0.1"), ("X-API-Key", key)]
    started = site.request("POST", PATH, sent)
    print(f"  POST {PATH}: {started.status} {started.text}")
    sent.append(("X-JAY-TRACKING", started.get("X-JAY-TRACKING")))
    need(started.status == 200 and sent[-1][1], "a session is started")
    need(site.request("GET", PATH, sent).status == 200, "read")
    need(site.request("DELETE", PATH, sent).status == 200, "ended")
    need(site.request("GET", PATH, sent).status == 400, "and no session after that")
    operator = Visitor(site)
    operator.go("/admin/jay_sessions/trackingsession/")
    login = operator.page.form_with("password")
    need(login, "the admin asks who comes")
    operator.send(
        login, username=ADMIN["DJANGO_SUPERUSER_USERNAME"], password=ADMIN["DJANGO_SUPERUSER_PASSWORD"]
    )
    need(started.json()["data"]["sessionId"] in operator.answer.text, "the admin lists it")
    dashboard = operator.go("/admin/jay_sessions/trackingsession/dashboard/").text
    style = re.search(r'href="(/static/jay_sessions/dashboard[^"]*\.css)"', dashboard)
    need(style and operator.go(style[1]), "and the dashboard has its styles")


def try_out(room: Path, package: Path, extras: str = "") -> None:
    print(f"\n== {package.name}{extras}, in an empty site")
    python = environment(room / "venv", f"{package}{extras}")
    site = OverHttp(python, room / "site")
    project = new(python, site.site)
    for extra in ("psycopg", "drf_spectacular", "health_check"):
        found = run(python, "-c", f"import importlib.util as u; print(u.find_spec({extra!r}))", cwd=room)
        need(
            (found.right().out.strip() != "None") == bool(extras),
            f"{extra} is {'' if extras else 'not '}there",
        )
    site.manage("migrate").right()
    site.manage("check").right()
    key = site.manage("jay_create_api_key", "my player").right().out.strip()
    site.manage("createsuperuser", "--noinput", "--email", "a@example.com", **ADMIN).right()
    with servers.serving("runserver", python.parent, site.site, room / "log") as port:
        use(OverHttp(python, site.site, port), key)
    if extras:
        show(site, project, room / "log")


def show(site: OverHttp, project: Path, log: Path) -> None:
    docs = ROOT / "docs"
    for page, title in ((docs / "api.md", "OpenAPI"), (docs / "operations.md", "Is it well?")):
        for name, lines in zip(("settings.py", "urls.py"), python_blocks(section(page, title)), strict=False):
            append(project / name, lines)
    document = site.site / "schema.yml"
    site.manage("spectacular", "--validate", "--fail-on-warn", "--file", str(document)).right()
    need("/playouts/{playout_id}/tracking/session:" in document.read_text(), "OpenAPI has the endpoints")
    with servers.serving("runserver", site.python.parent, site.site, log) as port:
        reader = Visitor(OverHttp(site.python, site.site, port))
        files = re.findall(r'(?:src|href)="([^"]+)"', reader.go("/schema/swagger-ui/").text)
        for file in files:
            need(file.startswith("/") and reader.go(file), f"Swagger UI has {file}")
        need(len(files) == 4, "and nothing from elsewhere")
        for path in ("/health/ready/", "/health/"):
            need(reader.go(path), f"{path} says that all is well")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        wheel, sdist = build(room)
        for place, package, extras in (("wheel", wheel, ""), ("sdist", sdist, "[health,openapi,postgres]")):
            (room / place).mkdir()
            try_out(room / place, package, extras)


if __name__ == "__main__":
    try:
        main()
    except NotRight as error:
        sys.exit(str(error))
