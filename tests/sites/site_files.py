"""A site of the table as files: a project with the app, and the lines of its database and the rest."""

from pathlib import Path

from .databases import Ready
from .declared import Site
from .startproject import README, append, new, python_blocks, section, take_the_lane
from .themes import THEMES
from .variations import VARIATIONS

ZEPHR_ACCESS_KEY, ZEPHR_SECRET_KEY = "site-access-key", "site-secret-key"

LANES = ("wsgi", "asgi")

NOWHERE = """from mysite.settings import *

DATABASES = {
    "default": {"ENGINE": "django.db.backends.postgresql", "NAME": "site", "HOST": "127.0.0.1", "PORT": 1}
}
"""


def make(site: Site, python: Path, place: Path, database: Ready, zephr_url: str) -> None:
    """Make the project of a site in the folder `place`, which is not there yet."""
    package = new(python, place)
    theme, variations = THEMES[site.admin], [VARIATIONS[name] for name in site.variations]
    if any(variation.bare for variation in variations):
        lines = python_blocks(section(README, "Add it to your site"))[1]
        package.joinpath("urls.py").write_text(f"urlpatterns = []\n\n{lines}")
    append(package / "nowhere.py", NOWHERE)
    if database.router:
        append(package / "routers.py", database.router)
    if theme.module:
        append(package / "backoffice.py", theme.module)
    append(package / "settings.py", _app(site, zephr_url) + database.lines + theme.settings)
    append(package / "urls.py", theme.urls)
    for variation in variations:
        append(package / "settings.py", variation.settings)
        append(package / "urls.py", variation.urls)
    if site.lane:
        for name in LANES:
            take_the_lane(package / f"{name}.py", name)


def _app(site: Site, zephr_url: str) -> str:
    app = {
        "SESSION_LIFETIME": 30 * 24 * 60 * 60,
        "RETENTION": 90 * 24 * 60 * 60,
        "ZEPHR": {
            "BASE_URL": zephr_url,
            "ACCESS_KEY": ZEPHR_ACCESS_KEY,
            "SECRET_KEY": ZEPHR_SECRET_KEY,
            "LINK_SESSIONS": True,
        },
    }
    if site.recorder != "default":
        app["RECORDER"] = site.recorder
    return f"JAY_SESSIONS = {app!r}\n"
