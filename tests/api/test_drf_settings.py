import os
import subprocess
import sys
from pathlib import Path

import pytest
from rest_framework.settings import DEFAULTS, IMPORT_STRINGS, APISettings

from ..support import hostile_settings

HERE = Path(__file__).parent


def test_the_hostile_settings_are_settings():
    assert set(hostile_settings.REST_FRAMEWORK) <= set(DEFAULTS)
    settings = APISettings(hostile_settings.REST_FRAMEWORK, DEFAULTS, IMPORT_STRINGS)
    for name, default in DEFAULTS.items():
        value = getattr(settings, name)
        assert name not in hostile_settings.REST_FRAMEWORK or value != default


# Several files in one test: on a busy machine it takes longer than a test may.
@pytest.mark.timeout(900)
@pytest.mark.once
def test_the_api_answers_the_same_whatever_rest_framework_is_set_to():
    subjects = ("bodies", "delete", "errors", "get", "post", "request", "sessions", "statistics", "zephr*")
    files = [path for subject in subjects for path in HERE.glob(f"test_{subject}.py")]
    assert len(files) == len(subjects) + 1
    options = [
        "--ds=tests.support.hostile_settings",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        "-q",
        "--tb=short",
    ]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *map(str, sorted(files))],
        cwd=HERE.parent.parent,
        env={name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
