"""What only a browser shows, as it takes the theme's styles and scripts: which words and buttons are seen."""

import contextlib
import os
import shutil
from collections.abc import Iterator

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from ..visit import Visit, need
from .admin import open_list

ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1400,1200",
)  # fmt: skip
ALL_SELECTED = "All that match"
EXPORT = "Export"


@contextlib.contextmanager
def _opened(visit: Visit) -> Iterator[webdriver.Chrome]:
    """Open Chromium as the operator who has logged in, on the session list."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ARGUMENTS:
        options.add_argument(argument)
    chrome = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        chrome.set_page_load_timeout(30)
        open_list(visit)
        at = f"http://127.0.0.1:{visit.port}"
        chrome.get(f"{at}{visit.admin}")
        for name, value in visit.visitor.cookies.items():
            chrome.add_cookie({"name": name, "value": value})
        chrome.get(f"{at}{visit.visitor.path}")
        yield chrome
    finally:
        chrome.quit()


def _seen(chrome: webdriver.Chrome) -> str:
    return str(chrome.find_element(By.TAG_NAME, "body").text)


def _picture(chrome: webdriver.Chrome, visit: Visit) -> None:
    if directory := os.environ.get("JAY_SCREENSHOTS"):
        chrome.save_screenshot(f"{directory}/site-{visit.site.name}.png")


def shows_what_is_selected(visit: Visit) -> None:
    with _opened(visit) as chrome:
        _picture(chrome, visit)
        need("netflix" in _seen(chrome), "the list is there", _seen(chrome))
        need(
            ALL_SELECTED not in _seen(chrome), "nothing is selected before anything is ticked", _seen(chrome)
        )
        boxes = [box for box in chrome.find_elements(By.NAME, "_selected_action") if box.is_displayed()]
        need(boxes, "the sessions can be ticked", _seen(chrome))
        chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", boxes[0])
        boxes[0].click()
        need(ALL_SELECTED not in _seen(chrome), "one that is ticked is not all that match", _seen(chrome))
        path = (
            f"//*[self::a or self::button][contains(., '{EXPORT}')] | //input[contains(@value, '{EXPORT}')]"
        )
        found = [one for one in chrome.find_elements(By.XPATH, path) if one.is_displayed()]
        need(found, "the export is to be seen", _seen(chrome))


STEPS = (("in Chromium the list says what is selected, and has the export", shows_what_is_selected),)
