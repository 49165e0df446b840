"""Build the package, and add wheel and sdist to an empty site each, as the README says.

    python .ci/package.py

The wheel is installed with what it requires and nothing else, the sdist with all its extras. Prints what
is typed and what comes of it; ends with an error where anything is not as it should be.
"""

import contextlib
import http.client
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ADD, ENDPOINTS = (
    README.split(f"\n## {title}\n")[1].split("\n## ")[0] for title in ("Add it to your site", "The endpoints")
)
HEALTH = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
PATH = "/playouts/netflix-de:s01e01/tracking/session"
ADMIN = {"DJANGO_SUPERUSER_USERNAME": "admin", "DJANGO_SUPERUSER_PASSWORD": "not-a-secret"}


def add(section: str, site: Path) -> None:
    """Append the section's first two blocks of Python to the site's settings and URLs."""
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    for name, lines in zip(("settings.py", "urls.py"), blocks, strict=False):
        print(lines.strip())
        with (site / "mysite" / name).open("a") as file:
            file.write(f"\n{lines}")


def run(*words: str | Path, cwd: Path, **variables: str) -> str:
    shown = shlex.join(Path(word).name if word is words[0] else str(word) for word in words)
    print(f"$ {shown}", flush=True)
    kept = {name: os.environ[name] for name in os.environ if name in ("PATH", "HOME") or name[:4] == "PIP_"}
    done = subprocess.run(
        words, cwd=cwd, env={**kept, **variables}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\n{shown} failed.")
    return done.stdout


def need(holds: object, what: str) -> None:
    if not holds:
        sys.exit(f"Not so: {what}")
    print(f"  {what}", flush=True)


def environment(room: Path, *packages: str) -> Path:
    venv.create(room, with_pip=True)
    python = room / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages, cwd=room)
    return python


def build(room: Path) -> tuple[Path, Path]:
    python = environment(room / "build", "build")
    run(python, "-m", "build", "--outdir", room / "dist", ROOT, cwd=room)
    (wheel,), (sdist,) = (room / "dist").glob("*.whl"), (room / "dist").glob("*.tar.gz")
    names = zipfile.ZipFile(wheel).namelist()
    need("jay_sessions/py.typed" in names, f"{wheel.name} is typed")
    others = {name.split("/")[0] for name in names if ".dist-info" not in name} - {"jay_sessions"}
    need(not others, "and has nothing but jay_sessions in it")
    return wheel, sdist


@contextlib.contextmanager
def serving(python: Path, site: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    print(f"$ python manage.py runserver {port}")
    command = [python, "manage.py", "runserver", "--noreload", str(port)]
    with (site / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=site, stdout=log, stderr=log)
        try:
            for _ in range(300):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.1)
            yield port
        except BaseException:
            print((site / "log").read_text())
            raise
        finally:
            server.terminate()
            server.wait(10)


def call(port: int, method: str, key: str, token: str = "") -> tuple[int, str | None, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"X-API-Key": key, **({"X-JAY-TRACKING": token} if token else {})}
    connection.request(method, PATH, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.headers["X-JAY-TRACKING"], answer.read()


def use(port: int, key: str) -> None:
    status, token, body = call(port, "POST", key)
    print(f"  POST {PATH}: {status} {body.decode()}")
    need(status == 200 and token, "a session is started")
    need(call(port, "GET", key, token or "")[0] == 200, "read")
    need(call(port, "DELETE", key, token or "")[0] == 200, "ended")
    need(call(port, "GET", key, token or "")[0] == 400, "and no session after that")
    cookies = CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
    at = f"http://127.0.0.1:{port}"
    browser.open(f"{at}/admin/login/").read()
    form = {
        "username": ADMIN["DJANGO_SUPERUSER_USERNAME"],
        "password": ADMIN["DJANGO_SUPERUSER_PASSWORD"],
        "csrfmiddlewaretoken": next(cookie.value for cookie in cookies if cookie.name == "csrftoken"),
        "next": "/admin/jay_sessions/trackingsession/",
    }
    page = browser.open(f"{at}/admin/login/", urllib.parse.urlencode(form).encode()).read().decode()
    need(json.loads(body)["data"]["sessionId"] in page, "the admin lists it")
    dashboard = browser.open(f"{at}/admin/jay_sessions/trackingsession/dashboard/").read().decode()
    style = re.search(r'href="(/static/jay_sessions/dashboard[^"]*\.css)"', dashboard)
    need(style and browser.open(at + style[1]).status == 200, "and the dashboard has its styles")


def try_out(room: Path, package: Path, extras: str = "") -> None:
    print(f"\n== {package.name}{extras}, in an empty site")
    python = environment(room / "venv", f"{package}{extras}")
    site = room / "site"
    site.mkdir()
    run(python, "-m", "django", "startproject", "mysite", ".", cwd=site)
    add(ADD, site)
    for extra in ("psycopg", "drf_spectacular", "health_check"):
        found = run(python, "-c", f"import importlib.util as u; print(u.find_spec({extra!r}))", cwd=site)
        need((found.strip() != "None") == bool(extras), f"{extra} is {'' if extras else 'not '}there")
    run(python, "manage.py", "migrate", cwd=site)
    run(python, "manage.py", "check", cwd=site)
    key = run(python, "manage.py", "jay_create_api_key", "my player", cwd=site).strip()
    run(python, "manage.py", "createsuperuser", "--noinput", "--email", "a@example.com", cwd=site, **ADMIN)
    with serving(python, site) as port:
        use(port, key)
    if extras:
        show(python, site)


def show(python: Path, site: Path) -> None:
    add(ENDPOINTS, site)
    add(HEALTH, site)
    document = site / "schema.yml"
    run(python, "manage.py", "spectacular", "--validate", "--fail-on-warn", "--file", document, cwd=site)
    need("/playouts/{playout_id}/tracking/session:" in document.read_text(), "OpenAPI has the endpoints")
    with serving(python, site) as port:
        at = f"http://127.0.0.1:{port}"
        page = urllib.request.urlopen(f"{at}/schema/swagger-ui/").read().decode()
        files = re.findall(r'(?:src|href)="([^"]+)"', page)
        for file in files:
            need(urllib.request.urlopen(at + file).status == 200, f"Swagger UI has {file}")
        need(len(files) == 4, "and nothing from elsewhere")
        for path in ("health/ready/", "health/"):
            need(urllib.request.urlopen(f"{at}/{path}").status == 200, f"/{path} says that all is well")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        wheel, sdist = build(room)
        for place, package, extras in (("wheel", wheel, ""), ("sdist", sdist, "[health,openapi,postgres]")):
            (room / place).mkdir()
            try_out(room / place, package, extras)


if __name__ == "__main__":
    main()
