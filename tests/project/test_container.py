"""The image and the compose file serve the example site as the documentation says.

No image is built here: its commands run as they stand.
"""

import fnmatch
import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from jay_sessions import conf
from project.environment import variables as variables_of

from ..support import servers
from ..support.nginx import SHOWN, SHOWN_MAIN, before
from ..support.pages import page
from ..support.servers import ROOT

DOCKERFILE = page("Dockerfile").replace("\\\n", "")
COMPOSE = yaml.safe_load(page("compose.yaml"))
SITES = [name for name, service in COMPOSE["services"].items() if "build" in service]
NGINX = page("project/nginx.conf")
SECRETS = {"SECRET_KEY", "POSTGRES_PASSWORD"}


def instruction(name: str) -> list[str]:
    """What stands behind each instruction of that name."""
    return re.findall(rf"^ *{name} +(.*)$", DOCKERFILE, re.MULTILINE)


def test_what_is_served_is_the_command_of_the_documentation():
    pages = [page("README.md"), *(file.read_text("utf-8") for file in (ROOT / "docs").glob("*.md"))]
    shown = re.sub(r"\\\n *", "", "\n".join(pages)).splitlines()
    [command] = instruction("CMD")
    assert " ".join(json.loads(command)) in shown


def test_the_image_runs_for_nobody_in_particular_and_holds_what_is_pinned():
    assert instruction("USER") == ["10001"]
    assert any("--require-hashes -r /requirements.txt" in run for run in instruction("RUN"))


def test_the_image_holds_what_the_site_needs_and_no_secret():
    copied = [line.split()[0] for line in instruction("COPY") if not line.startswith("--from")]
    assert copied == ["requirements.txt", "manage.py", "jay_sessions", "project"]
    sent = [line[1:] for line in page(".dockerignore").splitlines() if line.startswith("!")]
    assert sorted(sent) == sorted(copied)
    assert not any("SECRET_KEY" in line for line in instruction("ENV"))


@pytest.mark.server
def test_the_check_of_its_health_asks_the_site(tmp_path):
    [check] = instruction("HEALTHCHECK")
    program, option, code = json.loads(check.partition(" CMD ")[2])
    assert (program, option) == ("python", "-c")
    with servers.running("granian", tmp_path, ALLOWED_HOSTS="sessions.example.com,127.0.0.1") as server:
        for port, healthy in [(server.port, True), (servers.free_port(), False)]:
            # The test's machine may be slower than a site's.
            asked = code.replace(":8000/", f":{port}/").replace("timeout=4", "timeout=60")
            done = subprocess.run([sys.executable, "-c", asked], check=False, capture_output=True)
            assert (done.returncode == 0) == healthy


@pytest.mark.parametrize("name", SITES)
def test_each_container_of_the_site_has_variables_that_the_site_reads(name):
    read = set(re.findall(r"env\.\w+\(\s*\"(\w+)\"", page("project/settings.py")))
    read |= {variable.name for kind in (conf.Settings, conf.ZephrSettings) for variable in variables_of(kind)}
    variables = COMPOSE["services"][name]["environment"]
    assert set(variables) <= read
    assert variables["ALLOWED_HOSTS"].endswith(",127.0.0.1")  # for the check of its health


@pytest.mark.server
def test_what_migrates_and_what_runs_by_itself_does_its_work(tmp_path):
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        pytest.skip("The compose file has PostgreSQL.")
    variables = {"JAY_PARTITIONS": "month", "JAY_RETENTION": "7776000", "JAY_SESSION_LIFETIME": "2592000"}
    with servers.new_database(tmp_path) as url:
        said = ""
        for name in ("migrate", "jobs"):
            shell, option, command = COMPOSE["services"][name]["command"]
            command = command.replace("python ", f"{sys.executable} ").replace("sleep 300", "exit 0")
            done = subprocess.run(
                [shell, option, command],
                cwd=ROOT,
                env={**servers.example_site(url), **variables},
                check=True,
                capture_output=True,
                text=True,
                timeout=110,
            )
            said += done.stdout
    assert re.search(r"^2 tables partitioned; \d partitions made, 0 dropped\.$", said, re.MULTILINE)
    assert "0 partitions made, 0 dropped." in said


def test_no_secret_has_a_default():
    text = page("compose.yaml")
    for name in SECRETS | {"SITE_HOST", "TLS_CERTIFICATE", "TLS_KEY"}:
        assert re.findall(rf"\$\{{{name}(.*?)\}}", text)
        assert set(re.findall(rf"\$\{{{name}(.*?)\}}", text)) == {":?is not set"}


def test_nothing_but_nginx_can_be_reached_from_outside():
    assert [name for name, service in COMPOSE["services"].items() if "ports" in service] == ["nginx"]


def test_images_are_named_with_a_version():
    named = [service["image"] for service in COMPOSE["services"].values() if "build" not in service]
    named += {line.split()[0] for line in instruction("FROM")}
    assert [name for name in named if not fnmatch.fnmatch(name, "*:[0-9]*")] == []


def test_nginx_has_each_line_that_the_documentation_shows():
    there = {line.strip() for line in NGINX.splitlines()}
    shown = f"{SHOWN_MAIN}{SHOWN}".replace("127.0.0.1:8000", "site:8000")
    assert {line.strip() for line in shown.splitlines() if line} <= there


@pytest.mark.server
def test_a_site_behind_that_nginx_answers(tmp_path):
    # Without TLS: there is no certificate here.
    _, _, inside = NGINX.partition("ssl_certificate_key /run/secrets/tls_key;\n")
    inside = inside.rstrip().removesuffix("}").rstrip().removesuffix("}")
    inside = inside.replace("site:8000", "127.0.0.1:8000")
    with servers.running("granian", tmp_path) as server, before(server.port, tmp_path, inside) as port:
        assert servers.Server(port, server.key, "").call("GET", "/health/ready/")[0] == 200
