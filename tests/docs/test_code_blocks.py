"""Every block of code in the README and the guides is run in the example site, or has a reason not to be."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from project.zephr_demo_sessions import DEMO_SESSIONS
from project.zephr_stand_in import ZephrStandIn

from ..conftest import need_shell
from ..support import servers
from ..support.pages import all_blocks, blocks, page
from ..support.servers import ROOT
from ..support.zephr_wire import ACCESS_KEY, SECRET_KEY

PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "bench/README.md",
    *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")),
]

ELSEWHERE = {
    ("README.md", "make demo"): "the two commands: tests/project/test_demo.py, and CI itself",
    ("README.md", "manage.py runserver"): "serves until it is stopped: tests/docs/test_readme.py",
    (
        "docs/example-site.md",
        "granian --interface wsgi",
    ): "hosts that nobody has: tests/servers/test_servers.py and the deploy step of CI",
    (
        "docs/example-site.md",
        "granian --interface asginl",
    ): "serves until it is stopped: tests/servers/test_servers.py",
    ("docs/performance.md", "gunicorn --workers"): "serve until stopped: tests/servers, make sites",
    ("docs/performance.md", "bench.tracking"): "measurements take minutes each",
    ("docs/clients.md", "tracking-session.js"): "a browser runs it: tests/docs/test_clients_md.py",
    ("docs/clients.md", "pagehide"): "likewise",
    ("docs/operations.md", "jay_create_api_key NAME [--scope"): "a synopsis",
    ("docs/operations.md", "docker compose"): "needs a builder of images: tests/project/test_container.py",
    ("docs/operations.md", "worker_rlimit_nofile"): "nginx: tests/outages/test_slow_clients.py",
    ("docs/operations.md", "15 3 * * *"): "lines for cron",
    ("docs/operations.md", "--attach"): "only with PostgreSQL: tests/store/test_partitions.py",
    ("CONTRIBUTING.md", "uv pip compile"): "asks the package index",
    ("CONTRIBUTING.md", "make test"): "CI runs it; the targets: tests/test_contributing.py",
    ("docs/architecture.md", "tokens.py"): "a picture of the tree",
    ("docs/operations.md", "proxy_buffer_size"): "nginx runs it: tests/servers/test_nginx.py",
    ("docs/operations.md", "sentry_sdk"): "it wants a place to send to: tests/test_sentry.py",
    ("docs/zephr.md", "zephr_stand_in"): "serves until it is stopped: tests/docs/test_zephr_docs.py",
    ("docs/sites.md", "make sites"): "takes minutes: CI runs it",
    ("docs/fuzzing.md", "JAY_FUZZ_EXAMPLES"): "takes an hour",
    ("docs/index.md", ""): "lists of pages",
    ("docs/operations.md", "migrate jay_sessions zero"): "tests/docs/test_removal.py",
    ("docs/operations.md", "remove_stale_contenttypes"): "tests/docs/test_removal.py",
    ("docs/operations.md", "pg_dump"): "tests/docs/test_standbys.py",
    ("docs/operations.md", "pg_restore"): "tests/docs/test_standbys.py",
    ("docs/tutorial.md", ""): "tests/docs/test_tutorial.py",
    ("bench/README.md", ""): "measurements take minutes each",
}
"""What is not run here: page, a part of the block, why."""

BEFORE = """
import os, sys
from django.urls import path
INSTALLED_APPS, MIDDLEWARE, urlpatterns, JAY_SESSIONS, DATABASES = [], [], [], {}, {"default": {}}
"""
AFTER = "\nfrom jay_sessions import conf\nassert not conf.parse(JAY_SESSIONS)[1]\n"
EACH_IN_A_FORK = """
import os, sys, traceback
for code in {!r}:
    if not (child := os.fork()):
        try:
            exec(code, dict(globals()))
            sys.stdout.flush()
        except BaseException:
            traceback.print_exc()
            print(code, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit("A block failed.")
"""
SESSION = next(iter(DEMO_SESSIONS))


def is_elsewhere(name, code):
    return any(name == where and part in code for where, part in ELSEWHERE)


def here(name, *languages):
    return [code for code in blocks(page(name), *languages) if not is_elsewhere(name, code)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with ZephrStandIn(ACCESS_KEY, SECRET_KEY) as zephr:
        variables = {
            "ZEPHR_BASE_URL": zephr.base_url,
            "ZEPHR_ACCESS_KEY": ACCESS_KEY,
            "ZEPHR_SECRET_KEY": SECRET_KEY,
            "ZEPHR_LINK_SESSIONS": "1",
            "JAY_SESSION_LIFETIME": "2592000",
            "JAY_RETENTION": "7776000",
        }
        room = tmp_path_factory.mktemp("site")
        with servers.running("granian", room, **variables) as server:
            yield server, {**servers.example_site(server.database_url), **variables}


@pytest.fixture
def run(site, tmp_path):
    """Run a command in an empty directory beside the site's `manage.py`."""
    server, environment = site
    (tmp_path / "manage.py").symlink_to(ROOT / "manage.py")
    # An answer of 400 or more is a failure of the block.
    (tmp_path / ".curlrc").write_text("fail\nsilent\nshow-error\n")
    environment = {
        **environment,
        "CURL_HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "KEY": server.key,
        "JAY_API_KEY": server.key,
        "URL": f"http://localhost:{server.port}",
        "ZEPHR_SESSION": SESSION,
        "USER_ID_KEY": "a" * 32,
        "OLD_USER_ID_KEY": "b" * 32,
    }

    def run(*command):
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


def test_each_exception_is_there():
    for name, part in ELSEWHERE:
        assert any(part in code for _, code in all_blocks(page(name))), (name, part)


def test_each_block_says_what_it_is_in():
    for name in PAGES:
        for language, code in all_blocks(page(name)):
            known = language in ("sh", "python", "json") or is_elsewhere(name, code)
            assert known, (name, language, code)


@pytest.mark.parametrize("name", [name for name in PAGES if here(name, "json")])
def test_json_is_json(name):
    for code in here(name, "json"):
        assert json.loads(code)


@pytest.mark.server
@pytest.mark.parametrize("name", [name for name in PAGES if here(name, "sh")])
def test_what_is_to_be_typed_works(name, run, site):
    need_shell()
    server, _ = site
    script = "".join(here(name, "sh")).replace("http://127.0.0.1:8000", f"http://localhost:{server.port}")
    run("bash", "-euo", "pipefail", "-c", script.replace("jay_…", server.key))


@pytest.mark.server
@pytest.mark.parametrize("name", [name for name in PAGES if here(name, "python")])
def test_python_runs(name, run):
    codes = [BEFORE + code + AFTER for code in here(name, "python")]
    run(sys.executable, "manage.py", "shell", "-v0", "-c", EACH_IN_A_FORK.format(codes))
