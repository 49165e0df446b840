"""The dashboard in a real browser, under a strict Content-Security-Policy."""

import base64
import datetime
import os
from pathlib import Path

import pytest
from django.test import override_settings
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from jay_sessions.analytics import rollups
from project import demo

from .test_admin import chromium, signed_in  # noqa: F401 (a fixture)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PAGE = "/admin/jay_sessions/trackingsession/dashboard/"
POLICY = "default-src 'self'"
LISTEN = """
window.refused = [];
addEventListener("securitypolicyviolation", event => refused.push(event.violatedDirective));
"""
GAP = """
return Math.min(...[...document.querySelectorAll(".jay-chart")].flatMap(chart => {
    const places = [...chart.querySelectorAll(".jay-day")].map(text => text.getBoundingClientRect())
        .filter(place => place.width).sort((a, b) => a.left - b.left);
    return places.slice(1).map((place, number) => place.left - places[number].right);
}));
"""


class StrictPolicy:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        response["Content-Security-Policy"] = POLICY
        return response


@pytest.fixture(scope="session")
def strict_site(django_db_setup):
    """A server of its own: a running one takes no other middleware."""
    from django.conf import settings

    with override_settings(MIDDLEWARE=["tests.browser.test_dashboard.StrictPolicy", *settings.MIDDLEWARE]):
        server = LiveServer("localhost")
    yield server
    server.stop()


@pytest.fixture
def operator(chromium, strict_site):  # noqa: F811 (the fixture)
    chromium.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": LISTEN})
    return signed_in(chromium, strict_site.url)


@pytest.fixture
def demo_weeks():
    demo.fill(timezone.now())
    list(rollups.run())


def page_size(operator):
    page = "document.documentElement"
    return operator.chrome.execute_script(f"return [{page}.clientWidth, {page}.scrollHeight]")


def look(operator, query, name, colours="light", width=1280):
    """Open the dashboard, keep a picture of all of it, and see that nothing is refused or sticks out."""
    operator.sees(colours, width)
    operator.go(f"{PAGE}?{query}")
    width, height = page_size(operator)
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 800}
    operator.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    operator.picture(f"dashboard-{name}")
    assert operator.scrolls_sideways() is False
    assert operator.chrome.execute_script("return refused") == []


def test_a_strict_policy_refuses_nothing_of_the_page_at_any_width_in_any_colour(operator, demo_weeks):
    look(operator, "period=30-days", "light")
    assert operator.count(".jay-slot") == 3 * 30
    look(operator, "period=30-days", "dark", colours="dark")
    look(operator, "period=30-days", "narrow", width=390)
    look(operator, "period=7-days&playout=zdf:heute-journal", "narrow-dark", colours="dark", width=390)
    look(operator, "period=90-days", "quarter")
    look(operator, "period=52-weeks", "year")
    yesterday = timezone.localdate() - datetime.timedelta(days=1)
    look(operator, f"first={yesterday}&last={yesterday}", "day")
    look(operator, f"first={yesterday}&last=2000-01-01&playout=a&provider=b", "mistake")


def test_a_new_site_is_told_what_to_do(operator):
    look(operator, "", "empty")
    assert "No tracking sessions yet" in operator.text()


def test_day_labels_do_not_touch_each_other(operator, demo_weeks):
    for width in (1280, 390):
        operator.sees("light", width)
        for period in ("7-days", "30-days", "90-days", "52-weeks"):
            operator.go(f"{PAGE}?period={period}")
            assert operator.chrome.execute_script(GAP) > 4, (width, period)


def test_the_tab_key_reaches_a_day_whose_link_is_seen_and_leads_to_it(operator, demo_weeks):
    operator.sees("light", 1280)
    operator.go(f"{PAGE}?period=7-days")
    keys = ActionChains(operator.chrome)
    operator.chrome.find_element(By.CSS_SELECTOR, ".jay-choice .default").send_keys(Keys.TAB)
    for _ in range(20):
        active = operator.chrome.switch_to.active_element
        if active.get_attribute("class") == "jay-slot":
            break
        keys.send_keys(Keys.TAB).perform()
    stroke = operator.chrome.execute_script(
        "return getComputedStyle(arguments[0].querySelector('rect')).stroke", active
    )
    assert stroke.startswith("rgb(")
    operator.picture("dashboard-focus")
    keys.send_keys(Keys.ENTER).perform()
    day = timezone.localdate() - datetime.timedelta(days=6)
    WebDriverWait(operator.chrome, 10).until(lambda chrome: f"from={day}&to={day}" in chrome.current_url)


def test_a_printed_page_has_no_navigation_and_whole_charts(operator, demo_weeks):
    operator.sees("dark", 1280)
    operator.go(f"{PAGE}?period=30-days")
    pdf = base64.b64decode(operator.chrome.execute_cdp_cmd("Page.printToPDF", {})["data"])
    if directory := os.environ.get("JAY_SCREENSHOTS"):
        (Path(directory) / "dashboard.pdf").write_bytes(pdf)
    operator.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        for css in ("#header", "#nav-sidebar", ".jay-presets", ".jay-choice", "details"):
            assert not operator.chrome.find_element(By.CSS_SELECTOR, css).is_displayed(), css
        panel = operator.chrome.find_element(By.CSS_SELECTOR, ".jay-panel")
        assert panel.value_of_css_property("break-inside") == "avoid"
        assert operator.scrolls_sideways() is False
    finally:
        operator.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_an_analyst_reads_changes_the_period_drills_down_and_exports(operator, demo_weeks, tmp_path):
    operator.sees("light", 1280)
    downloads = {"behavior": "allow", "downloadPath": str(tmp_path)}
    operator.chrome.execute_cdp_cmd("Browser.setDownloadBehavior", downloads)
    operator.go("/admin/jay_sessions/trackingsession/")
    operator.press(".jay-summary a")
    whole = int(operator.text(".jay-value").replace(",", ""))
    operator.press(".jay-presets li:first-child a")
    week = int(operator.text(".jay-value").replace(",", ""))
    assert 0 < week < whole
    operator.press(".jay-top tbody tr:first-child th a")
    operator.picture("drilled-down")
    first_row = operator.text("#result_list tbody tr")
    assert "netflix-de:the-crown-s01e01" in first_row
    operator.chrome.find_element(By.CSS_SELECTOR, "input[form=jay-export-csv]").click()
    WebDriverWait(operator.chrome, 20).until(lambda _: list(tmp_path.glob("*.csv")))
    [file] = tmp_path.glob("*.csv")
    head, *rows = file.read_text().splitlines()
    assert head.startswith("session_id,started_at,ended_at,end_reason,playout_id")
    assert 0 < len(rows) < week
    assert all(",netflix-de:the-crown-s01e01," in row for row in rows)
