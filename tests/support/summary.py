"""What tests have counted, said at the end of a run."""

from typing import Any

import pytest


class Summary:
    """A plugin that writes lines under a title when the run ends; nothing where there are none."""

    def __init__(self, config: pytest.Config, title: str) -> None:
        self.title = title
        self.lines: list[str] = []
        config.pluginmanager.register(self)

    def note(self, request: pytest.FixtureRequest, outcome: object) -> None:
        """Add a line on what came of a test."""
        self.lines.append(f"{name_of(request)}: {outcome}")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.lines:
            terminalreporter.section(self.title)
        for line in self.lines:
            terminalreporter.write_line(line)


def name_of(request: pytest.FixtureRequest) -> str:
    """Return the name of a test in words."""
    return request.node.name.removeprefix("test_").replace("_", " ")
