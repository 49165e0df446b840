"""What the fields of the two dataclasses declare fits together."""

import dataclasses
import os
import re

import pytest

from jay_sessions import conf
from jay_sessions.checks.settings import UNKNOWN_NAME, WHOLE_SETTING
from jay_sessions.conf.declaration import REQUIRED

SETTINGS = conf.declared(conf.Settings)
IN_ZEPHR = conf.declared(conf.ZephrSettings)
ALL = [*SETTINGS.values(), *IN_ZEPHR.values()]
ZEPHR = {"TENANT": "acme", "ACCESS_KEY": "access", "SECRET_KEY": "secret"}


def names(rows):
    return [pytest.param(row, id=row.name) for row in rows]


def names_of_fields(kind):
    return {field.name.upper() for field in dataclasses.fields(kind)}


def test_each_field_is_a_setting_but_those_that_are_made_of_secret_key():
    assert names_of_fields(conf.Settings) - {*SETTINGS} == {"SIGNING_KEYS", "SITE", "USER_IDS"}
    assert names_of_fields(conf.ZephrSettings) == {*IN_ZEPHR}


def test_no_name_and_no_check_is_declared_twice():
    assert not SETTINGS.keys() & IN_ZEPHR.keys()
    checks = [WHOLE_SETTING, UNKNOWN_NAME, *(row.check for row in ALL)]
    assert all(re.fullmatch(r"E\d{3}", check) for check in checks)
    assert len(set(checks)) == len(checks)


@pytest.mark.parametrize("row", names(ALL))
def test_a_default_is_a_value_that_a_site_may_set(row):
    if row.default is REQUIRED:
        assert row.name in ("TENANT", "BASE_URL", "ACCESS_KEY", "SECRET_KEY")
    else:
        assert row.parse(row.default) == row.default


def the_example_of(row):
    scope = {"os": os, "__builtins__": {}}
    text = row.example.replace("…", "left-out")
    return eval(f'{{"{row.name}": {text}}}', scope)


@pytest.fixture
def variables(monkeypatch):
    """Those that the examples name."""
    monkeypatch.setenv("USER_ID_KEY", "a secret of at least 32 characters")
    monkeypatch.setenv("ZEPHR_ACCESS_KEY", "access")
    monkeypatch.setenv("ZEPHR_SECRET_KEY", "secret")
    monkeypatch.setenv("ZEPHR_PROXY", "http://proxy.example.com:3128")


@pytest.mark.usefixtures("variables")
@pytest.mark.parametrize("row", names(SETTINGS.values()))
def test_an_example_is_valid(row):
    problems = conf.parse(the_example_of(row))[1]
    # There is no such module here.
    expected = ["PROVIDER_RESOLVER"] if row.name == "PROVIDER_RESOLVER" else []
    assert [problem.name for problem in problems] == expected


@pytest.mark.usefixtures("variables")
@pytest.mark.parametrize("row", names(IN_ZEPHR.values()))
def test_an_example_of_zephrs_is_valid(row):
    whole = {**ZEPHR, **the_example_of(row)}
    if row.name == "BASE_URL":
        del whole["TENANT"]
    assert conf.parse({"ZEPHR": whole})[1] == []
