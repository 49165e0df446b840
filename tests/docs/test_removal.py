"""The app leaves a site as docs/operations.md says: typed into one that `startproject` made."""

import json
import os
import re
import subprocess
import sys

import pytest
from django.db import connection

from ..conftest import need_shell
from ..support.pages import blocks, page, section
from ..support.servers import ROOT

BEFORE, AFTER = blocks(re.sub(r"\n   ", r"\n", section(page("docs/operations.md"), "Remove the app")), "sh")

ADDED = "INSTALLED_APPS += ['jay_sessions']\nJAY_SESSIONS = {'SESSION_LIFETIME': 60}\n"

FILL = """
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone
from jay_sessions.models import ApiKey, TrackingSession
from jay_sessions.core.uuid7 import uuid7

now = timezone.now()
session = {"session_id": uuid7(now, 1), "started_at": now, "playout_id": "netflix-de:1", "source": "here"}
TrackingSession.objects.create(**session)
key, _ = ApiKey.objects.issue("partner")
user = User.objects.create_user("operator")
user.user_permissions.set(Permission.objects.filter(content_type__app_label="jay_sessions"))
for model in (ApiKey, User):
    kind = ContentType.objects.get_for_model(model)
    LogEntry.objects.create(user=user, content_type=kind, object_id=1, action_flag=1, object_repr="")
"""

LOOK = """
import json
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

print(json.dumps({
    "tables": [name for name in connection.introspection.table_names() if "jay" in name],
    "migrations": MigrationRecorder.Migration.objects.filter(app="jay_sessions").count(),
    "content types": ContentType.objects.filter(app_label="jay_sessions").count(),
    "permissions": Permission.objects.filter(content_type__app_label="jay_sessions").count(),
    "others' permissions": Permission.objects.filter(content_type__app_label="auth").count(),
    "users": User.objects.count(),
    "log": LogEntry.objects.count(),
}))
"""


@pytest.fixture
def database(django_db_setup, django_db_blocker, tmp_path):
    """The settings of an empty database of the kind that the tests run on."""
    if connection.vendor != "postgresql":
        yield {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "db.sqlite3")}
        return
    wanted = ("ENGINE", "HOST", "PORT", "USER", "PASSWORD")
    name = f"{connection.settings_dict['NAME']}_removal"
    with django_db_blocker.unblock(), connection._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name}")
        yield {**{key: connection.settings_dict[key] for key in wanted}, "NAME": name}
        cursor.execute(f"DROP DATABASE {name}")


@pytest.fixture
def run(tmp_path):
    """Type lines in the site's directory; gives what they print."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    environment = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
    }

    def run(script):
        done = subprocess.run(
            ["bash", "-euc", script], cwd=tmp_path, env=environment, input="yes\n", capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


@pytest.mark.timeout(600)
def test_what_the_documentation_says_leaves_nothing_of_the_app(database, run, tmp_path):
    need_shell()
    run("python -m django startproject mysite .")
    settings = tmp_path / "mysite" / "settings.py"
    plain = f"{settings.read_text()}\nDATABASES = {{'default': {database!r}}}\n"
    settings.write_text(plain + ADDED)
    (tmp_path / "fill.py").write_text(FILL)
    (tmp_path / "look.py").write_text(LOOK)
    run("python manage.py migrate -v0 && python manage.py shell -v0 < fill.py")
    before = json.loads(run("python manage.py shell -v0 < look.py"))
    assert all(before.values()), before
    run(BEFORE)
    settings.write_text(plain)
    run(AFTER.replace("python -m pip uninstall", "true"))
    run("python manage.py check && python manage.py migrate --check")
    after = json.loads(run("python manage.py shell -v0 < look.py"))
    kept = {"others' permissions": before["others' permissions"], "users": 1, "log": 1}
    assert after == {**dict.fromkeys(before, 0), "tables": [], **kept}
    assert (tmp_path / "sessions.csv").read_text().count("netflix-de:1") == 1
