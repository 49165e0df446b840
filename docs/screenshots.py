"""Make the pictures in docs/images anew: the pages of `make demo`, in Chromium.

    python docs/screenshots.py

Needs `requirements-test.txt`, Chromium and its driver.
"""

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
LIST = "/admin/jay_sessions/trackingsession/"
PICTURES = {
    "dashboard": (f"{LIST}dashboard/", "light", 900),
    "dashboard-dark": (f"{LIST}dashboard/", "dark", 1700),
    "sessions": (f"{LIST}?provider_name=netflix", "light", 900),
    "player": ("/player/", "light", 1000),
}
"""By the file's name: the page, the colours that its reader prefers, and how many pixels of it are shown."""

WIDTH = 1280


def browser() -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for argument in ("--headless", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def take(chrome: webdriver.Chrome, name: str, url: str, colours: str, height: int) -> None:
    feature = {"name": "prefers-color-scheme", "value": colours}
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    chrome.get(url)
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": height, "scale": 1}
    command = {"captureBeyondViewport": True, "clip": clip}
    data = chrome.execute_cdp_cmd("Page.captureScreenshot", command)["data"]
    (IMAGES / f"{name}.png").write_bytes(base64.b64decode(data))
    print(f"docs/images/{name}.png")


def main() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        command = [sys.executable, "manage.py", "demo", "--port", str(port), "--state", str(room)]
        environment = {**os.environ, "DATABASE_URL": f"sqlite:///{room / 'demo.sqlite3'}"}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as site:
            try:
                # Its last line says that it is ready.
                assert site.stdout is not None
                next(line for line in site.stdout if "Ctrl-C" in line)
                take_all(f"http://127.0.0.1:{port}", json.loads((room / "credentials.json").read_text()))
            finally:
                site.terminate()
                site.communicate(timeout=30)


def take_all(at: str, credentials: dict[str, str]) -> None:
    chrome = browser()
    try:
        chrome.set_window_size(WIDTH, 900)
        chrome.get(f"{at}/admin/")
        chrome.find_element(By.NAME, "username").send_keys("demo")
        chrome.find_element(By.NAME, "password").send_keys(credentials["password"])
        chrome.find_element(By.CSS_SELECTOR, "input[type=submit]").click()
        for name, (path, colours, height) in PICTURES.items():
            take(chrome, name, at + path, colours, height)
    finally:
        chrome.quit()


if __name__ == "__main__":
    main()
