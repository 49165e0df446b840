"""Swagger UI as a client's developer uses it, from the site's own files alone."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from jay_sessions.models import TrackingSession

from ..conftest import PLAYOUT
from .test_admin import Operator, chromium, site  # noqa: F401 (fixtures)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ASKED_FOR = "return performance.getEntriesByType('resource').map(entry => entry.name)"


@pytest.fixture
def developer(chromium, site):  # noqa: F811
    developer = Operator(chromium, site.url)
    developer.go("/schema/swagger-ui/")
    wait(developer).until(lambda chrome: chrome.find_elements(By.CLASS_NAME, "opblock"))
    return developer


def wait(developer):
    return WebDriverWait(developer.chrome, 20)


def press(developer, css):
    button = wait(developer).until(lambda chrome: chrome.find_element(By.CSS_SELECTOR, css))
    developer.chrome.execute_script(
        "arguments[0].scrollIntoView({block: 'center'}); arguments[0].click()", button
    )


def text_of(element):
    return element.get_attribute("textContent")


def test_every_endpoint_is_shown_without_a_file_from_elsewhere(developer):
    developer.picture("swagger-ui", whole=True)
    shown = {
        (block.find_element(By.CLASS_NAME, "opblock-summary-method").text,
         block.find_element(By.CLASS_NAME, "opblock-summary-path").text.replace("\u200b", ""))
        for block in developer.chrome.find_elements(By.CLASS_NAME, "opblock")
    }  # fmt: skip
    tracking = "/playouts/{playout_id}/tracking/session"
    assert shown == {
        ("POST", tracking),
        ("GET", tracking),
        ("DELETE", tracking),
        ("GET", f"{tracking}s"),
        ("GET", "/playouts/{playout_id}/tracking/statistics"),
        ("GET", "/v3/sessions/{id}"),
    }
    asked_for = developer.chrome.execute_script(ASKED_FOR)
    assert any(name.endswith("swagger-ui-bundle.js") for name in asked_for)
    assert [name for name in asked_for if not name.startswith((developer.url, "data:"))] == []


def test_a_session_is_started_from_it(developer, key):
    press(developer, ".btn.authorize")
    field = wait(developer).until(
        lambda chrome: chrome.find_element(By.CSS_SELECTOR, ".auth-container input")
    )
    field.send_keys(key)
    press(developer, ".auth-btn-wrapper .authorize")
    press(developer, ".auth-btn-wrapper .btn-done")
    press(developer, ".opblock-post .opblock-summary-control")
    press(developer, ".opblock-post .try-out__btn")
    for name, value in (("playout_id", PLAYOUT), ("user_id", "ada")):
        field = developer.chrome.find_element(
            By.CSS_SELECTOR, f'.opblock-post tr[data-param-name="{name}"] input'
        )
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(Keys.NULL, value, Keys.TAB)
    press(developer, ".opblock-post .execute")
    answer = ".opblock-post .live-responses-table .highlight-code"
    wait(developer).until(lambda chrome: "sessionId" in text_of(chrome.find_element(By.CSS_SELECTOR, answer)))
    developer.picture("swagger-ui-post", whole=True)
    session = TrackingSession.objects.get()
    assert str(session.session_id) in text_of(developer.chrome.find_element(By.CSS_SELECTOR, answer))
    assert (session.playout_id, session.user_id) == (PLAYOUT, "ada")
