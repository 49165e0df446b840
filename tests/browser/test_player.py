"""The example page of a browser client: cookie and header, on the API's own origin and across two."""

import json
import uuid

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from jay_sessions.models import TrackingSession

from .test_admin import Operator, chromium, site  # noqa: F401 (fixtures)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NONE = "No valid session."


class Viewer(Operator):
    """Somebody at the page."""

    def tick(self, **boxes: bool) -> None:
        for name, wanted in boxes.items():
            box = self.chrome.find_element(By.NAME, name)
            if box.is_selected() != wanted:
                box.click()

    def use(self, *, cookie: bool, header: bool) -> None:
        self.tick(cookie=cookie, header=header)

    def is_logged_in_as(self, user: str) -> None:
        self.fill("user", user)
        self.tick(agreed=True)

    def does(self, action: str) -> str:
        self.chrome.find_element(By.CSS_SELECTOR, f"button[value={action}]").click()
        return WebDriverWait(self.chrome, 10).until(
            lambda chrome: (text := chrome.find_element(By.TAG_NAME, "output").text) not in ("", "…") and text
        )


def opened(chromium, url, key):  # noqa: F811
    viewer = Viewer(chromium, url)
    viewer.go("/player/")
    # Those of other sites, too.
    chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})
    chromium.execute_script("sessionStorage.clear()")
    viewer.fill("key", key)
    # One of its own for each test: browsers remember what other origins allow, by address.
    viewer.fill("playout", f"netflix-de:{uuid.uuid4()}")
    return viewer


@pytest.fixture
def viewer(chromium, site, key):  # noqa: F811
    return opened(chromium, site.url, key)


@pytest.fixture
def elsewhere(chromium, site, settings, setting):  # noqa: F811
    """The API by a name that is another site to a browser, and which lets the page's origin in."""
    settings.CORS_ALLOWED_ORIGINS = [site.url]
    settings.CORS_URLS_REGEX = "/playouts/"
    setting(COOKIE_SAMESITE="None")
    return site.url.replace("localhost", "127.0.0.1")


def check_that_each_carries_it_alone(viewer):
    started = json.loads(viewer.does("start"))
    assert TrackingSession.objects.get().user_id == started["userId"] == "ada"
    for cookie, header in ((True, True), (True, False), (False, True)):
        viewer.use(cookie=cookie, header=header)
        assert json.loads(viewer.does("read")) == started
    viewer.use(cookie=False, header=False)
    assert viewer.does("read") == NONE
    assert started["sessionId"] not in viewer.chrome.execute_script("return document.cookie")


def test_on_the_apis_own_origin_cookie_and_header_carry_a_session(viewer):
    viewer.is_logged_in_as("ada")
    check_that_each_carries_it_alone(viewer)
    viewer.use(cookie=True, header=True)
    viewer.picture("player")
    viewer.does("end")
    assert viewer.does("read") == NONE
    assert TrackingSession.objects.get().ended_at is not None
    assert viewer.chrome.get_cookies() == []


def test_across_two_sites_cookie_and_header_carry_a_session(viewer, elsewhere):
    viewer.is_logged_in_as("ada")
    viewer.fill("url", elsewhere)
    check_that_each_carries_it_alone(viewer)
    viewer.use(cookie=True, header=True)
    viewer.does("end")
    assert viewer.does("read") == NONE


def test_where_the_browser_refuses_the_cookie_the_header_carries_it(viewer, elsewhere, setting):
    setting(COOKIE_SAMESITE="Lax")  # which no browser keeps from another site
    viewer.fill("url", elsewhere)
    started = json.loads(viewer.does("start"))
    assert json.loads(viewer.does("read")) == started
    viewer.use(cookie=True, header=False)
    assert viewer.does("read") == NONE


def test_a_page_whose_origin_is_not_named_reaches_nothing(viewer, elsewhere, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://www.example.com"]
    viewer.fill("url", elsewhere)
    assert viewer.does("start").startswith("No answer, or none that this page may read: ")
    assert not TrackingSession.objects.exists()


def test_a_key_of_another_origin_is_refused_in_words(chromium, site, elsewhere, issue_key):  # noqa: F811
    viewer = opened(chromium, site.url, issue_key("theirs", origins=["https://www.example.com"]))
    viewer.fill("url", elsewhere)
    assert viewer.does("start") == "Refused: This API key may not do that. (ORIGIN_FORBIDDEN)"
    viewer.fill("key", issue_key("ours", origins=[site.url]))
    assert "sessionId" in viewer.does("start")


def test_what_is_wrong_with_a_user_id_is_said(viewer):
    viewer.tick(agreed=True)
    viewer.chrome.execute_script("document.querySelector('[name=user]').value = 'x'.repeat(256)")
    assert viewer.does("start") == "Refused: String should have at most 255 characters."


@pytest.mark.parametrize("asks_for_privacy", [False, True])
@pytest.mark.parametrize("has_agreed", [False, True])
@pytest.mark.parametrize("user", ["", "ada"])
def test_a_session_always_and_a_user_only_who_agreed(viewer, setting, user, has_agreed, asks_for_privacy):
    setting(GLOBAL_PRIVACY_CONTROL=True)
    headers = {"Sec-GPC": "1"} if asks_for_privacy else {}
    viewer.chrome.execute_cdp_cmd("Network.enable", {})
    viewer.chrome.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": headers})
    try:
        viewer.fill("user", user)
        viewer.tick(agreed=has_agreed)
        started = json.loads(viewer.does("start"))
    finally:
        viewer.chrome.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {}})
    expected = user if user and has_agreed and not asks_for_privacy else None
    assert started.get("userId") == TrackingSession.objects.get().user_id == expected
