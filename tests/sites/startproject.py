"""A project as somebody makes it: `startproject`, and the README's lines for the app."""

import re
from pathlib import Path

from .processes import run

ROOT = Path(__file__).parent.parent.parent
README = ROOT / "README.md"


def section(page: Path, title: str) -> str:
    """Return a section of a page in Markdown, by its heading."""
    return page.read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]


def python_blocks(text: str) -> list[str]:
    """Return the blocks of Python in a text in Markdown."""
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def append(module: Path, lines: str) -> None:
    """Write lines at the end of a module, which may be new."""
    with module.open("a", encoding="utf-8") as file:
        file.write(f"\n{lines}")


def new(python: Path, place: Path) -> Path:
    """Make a project in the folder `place`, with the app as the README says; return its package's folder."""
    place.mkdir()
    run(python, "-m", "django", "startproject", "mysite", ".", cwd=place).right()
    package = place / "mysite"
    settings, urls = python_blocks(section(README, "Add it to your site"))[:2]
    append(package / "settings.py", settings)
    append(package / "urls.py", urls)
    return package


def take_the_lane(module: Path, name: str) -> None:
    """Change the line of `startproject` that imports Django's function into the line for the fast lane."""
    before, line = module.read_text(), f"from django.core.{name} import get_{name}_application\n"
    assert line in before
    module.write_text(before.replace(line, line.replace("django.core", "jay_sessions.lane")))
