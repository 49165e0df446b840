"""What docs/analytics.md says is so."""

import re

import pytest
from django.utils import timezone

from project import demo

from .servers import ROOT

DOCS = (ROOT / "docs" / "analytics.md").read_text()


@pytest.mark.django_db
def test_the_example_prints_the_numbers_of_the_week(capsys):
    demo.fill(timezone.now())
    [block] = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
    exec(block, {})
    first, *others = capsys.readouterr().out.splitlines()
    assert int(first.split()[0]) == sum(int(line.rpartition(" ")[2]) for line in others) > 0
