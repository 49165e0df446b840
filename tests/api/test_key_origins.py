"""Keys for browsers: anybody can read them, so they can be bound to the pages that may use them."""

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.test import Client

from jay_sessions.models import ApiKey

from ..conftest import PATH, error_of, key_of

pytestmark = pytest.mark.django_db

ORIGINS = ["https://www.example.com", "http://localhost:3000"]


@pytest.mark.parametrize("origin", [*ORIGINS, "https://WWW.example.com", "", None])
def test_a_page_of_the_keys_origins_and_what_is_no_page_may_use_it(issue_key, origin):
    client = Client(headers={"X-API-Key": issue_key(origins=ORIGINS)})
    headers = {} if origin is None else {"Origin": origin}
    assert client.post(PATH, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "http://www.example.com", "https://www.example.com:8443", "null"),
        *("https://www.example.com.evil.example", "https://example.com", "https://www.example.com/"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_another_page_may_not(issue_key, origin, method):
    client = Client(headers={"X-API-Key": issue_key(origins=ORIGINS), "Origin": origin})
    assert error_of(client.generic(method, PATH)) == (403, 403, "ORIGIN_FORBIDDEN")


def test_a_key_without_origins_is_good_anywhere(issue_key):
    client = Client(headers={"X-API-Key": issue_key(), "Origin": "https://anywhere.example"})
    assert client.post(PATH).status_code == 200


@pytest.mark.parametrize(
    "origins",
    [
        *(["https://"], ["www.example.com"], ["https://example.com/"], ["https://example.com/path"], ["*"]),
        *(
            ["https://EXAMPLE.com"],
            ["ftp://example.com"],
            [""],
            [5],
            "https://example.com",
            ["https://a b"],
        ),
        [f"https://{number}.example" for number in range(101)],
    ],
)
def test_what_no_browser_sends_is_refused(origins):
    with pytest.raises(ValidationError):
        ApiKey.objects.issue("partner", origins=origins)


def test_the_command_takes_origins(capsys):
    call_command("jay_create_api_key", "web", "--origin", ORIGINS[0], "--origin", ORIGINS[1])
    assert key_of(capsys.readouterr().out.strip()).origins == ORIGINS


def test_the_admin_takes_origins_a_line_each(admin_client):
    form = {"name": "web", "scopes": ["tracking"], "playouts": "*", "expires_at_0": "", "expires_at_1": ""}
    path = "/admin/jay_sessions/apikey/add/"
    wrong = admin_client.post(path, {**form, "origins": f"{ORIGINS[0]}/"})
    assert set(wrong.context["adminform"].form.errors) == {"origins"}
    assert "nothing after the host and port, not even a slash" in wrong.content.decode()
    assert admin_client.post(path, {**form, "origins": "\r\n".join(ORIGINS)}).status_code == 200
    assert ApiKey.objects.get().origins == ORIGINS
