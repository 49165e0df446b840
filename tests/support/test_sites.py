"""docs/sites.md has the sites of `make sites`, and these have each of what a site can be made of."""

import re

import pytest

from ..sites import report
from ..sites.databases import DATABASES
from ..sites.declared import SITES
from ..sites.environments import ENVIRONMENTS, REQUIREMENTS
from ..sites.html_page import HtmlPage
from ..sites.servers import SERVERS
from ..sites.themes import THEMES
from ..sites.variations import VARIATIONS


def test_the_table_has_the_sites_as_they_are_declared():
    rows = report.rows()
    declared = [report.described(site) for site in SITES]
    assert [row[: len(declared[0])] for row in rows] == declared


def test_the_table_has_no_site_that_fails():
    assert "fails" not in report.PAGE.read_text()


def test_the_table_has_the_versions_that_are_pinned():
    for site, row in zip(SITES, report.rows(), strict=True):
        pinned = (REQUIREMENTS / f"{site.environment}.txt").read_text()
        for name, version in re.findall(r"([\w-]+) ([\w.]+)", row[len(report.described(site))]):
            if name != "Python":
                assert re.search(rf"^{name}(\[[\w, ]+\])?=={re.escape(version)}\s", pinned, re.MULTILINE)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("environment", ENVIRONMENTS),
        ("database", DATABASES),
        ("server", SERVERS),
        ("admin", THEMES),
        ("lane", (True, False)),
        ("recorder", ("default", "direct", "group")),
    ],
)
def test_each_value_is_in_a_site(field, values):
    assert {getattr(site, field) for site in SITES} - {"test client"} == set(values)


def test_each_variation_is_in_a_site():
    assert {name for site in SITES for name in site.variations} == set(VARIATIONS)


def test_each_server_is_tried_with_the_lane_and_without():
    lanes = {(site.server, site.lane) for site in SITES}
    assert {(name, lane) for name in SERVERS for lane in (True, False)} <= lanes


def test_no_two_sites_have_one_name():
    assert len({site.name for site in SITES}) == len(SITES)


PAGE = """
<form id="days"><input type="hidden" name="state" value="active"></form>
<form method="post" action="/keys/"><textarea name="playouts">
*
b</textarea><input type="checkbox" name="scopes" value="tracking" checked>
<input type="checkbox" name="scopes" value="zephr"><select name="zone"><option value="a">A
<option value="b" selected>B</select><button name="_save" value="1">Save</button></form>
<p>From <input type="date" name="from" form="days" value="2026-01-01">
<input type="submit" form="days" value="Show"></p>
<a href="/list/?q=1">The <b>list</b></a><script>var text = "unseen";</script>
"""


def test_a_page_is_read_as_a_browser_reads_it():
    read = HtmlPage(PAGE)
    days, keys = read.forms
    assert days.fields == [("state", "active"), ("from", "2026-01-01")]
    assert keys.fields == [("playouts", "*\nb"), ("scopes", "tracking"), ("zone", "b")]
    assert (days.method, keys.method) == ("GET", "POST")
    assert read.find("Show").form is days
    assert read.find("Save").form is keys
    assert read.link("/list/").label() == "The list"
    assert "unseen" not in read.text


def test_a_form_is_sent_with_what_is_filled_in():
    form = HtmlPage(PAGE).form_with("playouts")
    assert form.filled(playouts="x", _save="1") == [
        ("scopes", "tracking"),
        ("zone", "b"),
        ("playouts", "x"),
        ("_save", "1"),
    ]
