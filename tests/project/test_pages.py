"""The example site's own pages: what they link to, and what they list."""

import html
import re

import pytest
from drf_spectacular.generators import SchemaGenerator

pytestmark = pytest.mark.django_db


@pytest.fixture
def home(admin_client):
    return html.unescape(admin_client.get("/").content.decode())


def test_each_link_of_the_first_page_leads_to_a_page(admin_client, home):
    links = re.findall(r'href="([^"]+)"', home)
    assert {link: admin_client.get(link).status_code for link in links} == dict.fromkeys(links, 200)
    assert "/admin/jay_sessions/trackingsession/dashboard/" in links
    assert "/player/" in links


def test_the_first_page_lists_every_call(home):
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    calls = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert set(re.findall(r"<code>([A-Z]+ /[^<]+)</code>", home)) == calls
