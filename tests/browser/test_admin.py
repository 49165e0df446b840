"""The admin as an operator sees it, in a real browser.

With `JAY_SCREENSHOTS` naming a directory, each page is also saved there as a picture.
"""

import base64
import contextlib
import datetime
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from jay_sessions.models import ApiKey
from project import demo
from project.zephr_stand_in import ZephrStandIn

from ..conftest import key_of, unavailable

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--window-size=1280,900",
]  # fmt: skip


@contextlib.contextmanager
def browser(*arguments: str, third_party_cookies: bool = True) -> Iterator[webdriver.Chrome]:
    """Start a Chromium with these arguments beside the usual ones."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not program or not driver:
        unavailable("Chromium and its driver are not installed.")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (*ARGUMENTS, *arguments):
        options.add_argument(argument)
    # Said in any case: Debian's own refuses cookies of other sites, those of browsers' makers do not.
    blocked = not third_party_cookies
    cookies = {"profile.block_third_party_cookies": blocked, "profile.cookie_controls_mode": int(blocked)}
    options.add_experimental_option("prefs", cookies)
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


@pytest.fixture(scope="module")
def chromium():
    with browser() as chrome:
        yield chrome


class Operator:
    """Somebody at the browser: goes to pages, fills in fields, presses buttons, reads."""

    def __init__(self, chrome: webdriver.Chrome, url: str) -> None:
        self.chrome, self.url = chrome, url

    def go(self, path: str) -> None:
        self.chrome.get(self.url + path)

    def fill(self, name: str, value: str) -> None:
        field = self.chrome.find_element(By.NAME, name)
        field.clear()
        field.send_keys(value)

    def press(self, css: str) -> None:
        button = self.chrome.find_element(By.CSS_SELECTOR, css)
        self.chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
        page = self.chrome.find_element(By.TAG_NAME, "html")
        button.click()
        WebDriverWait(self.chrome, 10).until(lambda chrome: chrome.find_element(By.TAG_NAME, "html") != page)

    def text(self, css: str = "body") -> str:
        return self.chrome.find_element(By.CSS_SELECTOR, css).text

    def count(self, css: str) -> int:
        return len(self.chrome.find_elements(By.CSS_SELECTOR, css))

    def sees(self, colours: str, width: int) -> None:
        """Prefer light or dark colours, in a window that is so many pixels wide."""
        feature = {"name": "prefers-color-scheme", "value": colours}
        self.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 800}
        self.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def scrolls_sideways(self) -> bool:
        page = "document.documentElement"
        return self.chrome.execute_script(f"return {page}.scrollWidth > {page}.clientWidth")

    def picture(self, name: str, *, whole: bool = False) -> None:
        if directory := os.environ.get("JAY_SCREENSHOTS"):
            Path(directory).mkdir(parents=True, exist_ok=True)
            command = {"captureBeyondViewport": whole}
            data = self.chrome.execute_cdp_cmd("Page.captureScreenshot", command)["data"]
            (Path(directory) / f"{name}.png").write_bytes(base64.b64decode(data))


@pytest.fixture(scope="session")
def site(request, django_db_setup):
    """The live server, started once the test database is there: it then shares an in-memory one."""
    return request.getfixturevalue("live_server")


def signed_in(chromium, url) -> Operator:
    """Sign a new operator in who may do everything."""
    User.objects.create_superuser("ada", password="correct horse")
    somebody = Operator(chromium, url)
    chromium.delete_all_cookies()
    somebody.go("/admin/")
    somebody.fill("username", "ada")
    somebody.fill("password", "correct horse")
    somebody.press("input[type=submit]")
    return somebody


@pytest.fixture
def operator(chromium, site):
    return signed_in(chromium, site.url)


def test_an_operator_finds_a_session_by_filter_and_by_search(operator):
    demo.fill(timezone.now())
    operator.go("/")
    operator.picture("home")
    operator.go("/admin/jay_sessions/trackingsession/")
    operator.picture("sessions")
    assert operator.count("#result_list tbody tr") == 50
    operator.go("/admin/jay_sessions/trackingsession/?provider_name=arte&state=ended")
    operator.picture("sessions-filtered")
    assert set(operator.text("#result_list tbody").split()) >= {"arte", "ended"}
    assert "netflix" not in operator.text("#result_list tbody")
    session = operator.chrome.find_element(By.CSS_SELECTOR, ".field-short_id span")
    session_id = session.get_attribute("title")
    operator.go("/admin/jay_sessions/trackingsession/")
    operator.fill("q", session_id)
    operator.press("#changelist-search input[type=submit]")
    assert operator.count("#result_list tbody tr") == 1
    operator.press("#result_list tbody tr th a")
    operator.picture("session")
    assert session_id in operator.text("#content")
    assert operator.count("#content input[name=_save]") == 0


def test_an_operator_creates_a_key_sees_it_once_and_revokes_it(operator):
    operator.go("/admin/jay_sessions/apikey/add/")
    operator.fill("name", "partner")
    operator.picture("api-key-add")
    operator.press("input[name=_save]")
    operator.picture("api-key-created")
    text = operator.chrome.find_element(By.ID, "issued-key").get_attribute("value")
    assert key_of(text) == ApiKey.objects.get(name="partner")
    operator.press("#content a")
    assert text not in operator.chrome.page_source
    operator.chrome.find_element(By.CSS_SELECTOR, "input.action-select").click()
    Select(operator.chrome.find_element(By.NAME, "action")).select_by_value("revoke")
    operator.press("button[name=index]")
    operator.picture("api-keys")
    assert "1 API key was revoked." in operator.text()
    assert "revoked" in operator.text("#result_list tbody")


def test_a_mistake_in_the_key_form_is_explained_and_loses_nothing(operator):
    operator.go("/admin/jay_sessions/apikey/add/")
    operator.fill("name", "partner")
    operator.fill("expires_at_0", (timezone.now() - datetime.timedelta(days=2)).strftime("%Y-%m-%d"))
    operator.fill("expires_at_1", "00:00")
    operator.press("input[name=_save]")
    operator.picture("api-key-error")
    assert "Choose a time in the future" in operator.text()
    assert operator.chrome.find_element(By.NAME, "name").get_attribute("value") == "partner"


def test_an_operator_looks_a_zephr_session_up(operator, setting):
    with ZephrStandIn("access", "secret") as zephr:
        setting(ZEPHR={"BASE_URL": zephr.base_url, "ACCESS_KEY": "access", "SECRET_KEY": "secret"})
        operator.go("/admin/jay_sessions/trackingsession/")
        operator.press(".jay-more a[href$='zephr/']")
        for session_id in zephr.sessions:
            operator.fill("session_id", session_id)
            operator.press("#content input[type=submit]")
            operator.picture(f"zephr-{re.sub('[^a-z]', '', session_id.lower())[:12]}", whole=True)
            assert session_id not in operator.chrome.current_url
            assert operator.count("#content table") >= 1
            # Nothing that a strict Content-Security-Policy forbids.
            assert operator.count("#content :is([style], [onclick], style, script)") == 0
        for name, colours, width in (("dark", "dark", 1280), ("narrow", "light", 400)):
            operator.sees(colours, width)
            operator.picture(f"zephr-{name}", whole=True)
            assert operator.scrolls_sideways() is False
        operator.sees("light", 1280)
        operator.fill("session_id", "unknown")
        operator.press("#content input[type=submit]")
        operator.picture("zephr-unknown")
        assert "knows no session" in operator.text()
