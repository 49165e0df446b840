"""What docs/analytics.md says is so."""

import pytest
from django.utils import timezone

from project import demo

from .pages import blocks, page


@pytest.mark.django_db
def test_the_example_prints_the_numbers_of_the_week(capsys):
    demo.fill(timezone.now())
    [block] = blocks(page("docs/analytics.md"), "python")
    exec(block, {})
    first, *others = capsys.readouterr().out.splitlines()
    assert int(first.split()[0]) == sum(int(line.rpartition(" ")[2]) for line in others) > 0
