"""What docs/analytics.md says is so."""

import re

import pytest
from django.utils import timezone

from jay_sessions.analytics.export import ALL_COLUMNS
from jay_sessions.core.uuid7 import moment_of
from jay_sessions.models import TrackingSession
from project import demo

from ..support.pages import blocks, page, section

TEXT = page("docs/analytics.md")


@pytest.mark.django_db
def test_the_example_prints_the_numbers_of_the_week(capsys):
    demo.fill(timezone.now())
    block, _ = blocks(TEXT, "python")
    exec(block, {})
    first, *others = capsys.readouterr().out.splitlines()
    assert int(first.split()[0]) == sum(int(line.rpartition(" ")[2]) for line in others) > 0


@pytest.mark.django_db
def test_a_session_of_ones_own_code_carries_its_start():
    _, block = blocks(TEXT, "python")
    exec(block, {})
    session = TrackingSession.objects.get()
    assert moment_of(session.session_id) == session.started_at


def test_the_table_of_the_import_has_every_column():
    named = set(re.findall(r"^\| `(\w+)` \|", section(TEXT, "Import"), re.MULTILINE))
    assert named == {name for name in ALL_COLUMNS if not name.startswith("zephr_")} | {"zephr_session_id"}
