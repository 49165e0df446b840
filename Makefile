# Each target sets up what it needs first, in $(VENV); `make` alone lists them.

PYTHONS := python3 python3.14 python3.13 python3.12 python3.11
PYTHON ?= $(shell for p in $(PYTHONS); do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
RUN = $(VENV)/bin/python -m
PIP = -m pip install --quiet --disable-pip-version-check --require-hashes
NEED_PYTHON = test -n "$(PYTHON)" || \
	{ echo "Python 3.11 or later is needed; name it: make PYTHON=/path/to/python3"; exit 1; }
BENCH_ARGS = --contenders fastapi_tuned,lane,async_lane --rounds 1

.DEFAULT_GOAL := help
.PHONY: help install demo test coverage lint fmt types check check-all docs sites bench

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/installed  ## the app with every extra, and what the example site serves with

demo: install  ## the example site with demo data on http://127.0.0.1:8000/ (PORT=), until Ctrl-C
	@$(VENV)/bin/python manage.py demo

test: $(VENV)/installed-tests  ## the tests; PYTEST_ARGS="-m 'not server'" for some
	$(RUN) pytest -n auto $(PYTEST_ARGS)

coverage: $(VENV)/installed-tests  ## the tests, and which lines and branches of jay_sessions they leave out
	$(RUN) pytest -n auto --cov=jay_sessions $(PYTEST_ARGS)

lint: $(VENV)/installed-tools  ## ruff: rules and format
	$(RUN) ruff check .
	$(RUN) ruff format --check .

fmt: $(VENV)/installed-tools  ## ruff: format, and fix what it can fix
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

types: $(VENV)/installed-tests $(VENV)/installed-tools  ## mypy
	$(RUN) mypy

check: lint types  ## lint, types, and that no migration is missing: before each commit
	SECRET_KEY=check DATABASE_URL=sqlite://:memory: $(VENV)/bin/python manage.py makemigrations --check --dry-run

check-all:  ## all of .ci/run, with every case of every outage: hours, and it installs what it needs
	JAY_OUTAGES=all .ci/run

docs: $(VENV)/installed-tools  ## the documentation as a site, in build/docs/
	$(RUN) sphinx -q -W --keep-going -n -c docs . build/docs
	@echo "build/docs/docs/index.html"

sites: $(VENV)-sites/installed  ## ordinary sites with the app: SITES=NAME,NAME for some, SITES_ARGS=--list to see which
	@$(VENV)-sites/bin/python -m tests.sites $(SITES_ARGS) $(SITES)

bench: install  ## sessions a second, beside FastAPI: two minutes; needs wrk and PostgreSQL; BENCH_ARGS= for all
	$(RUN) bench.tracking $(BENCH_ARGS)

$(VENV)/installed: requirements.txt
	@$(NEED_PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python $(PIP) -r $<
	@touch $@

$(VENV)/installed-tests: requirements-test.txt $(VENV)/installed
	$(VENV)/bin/python $(PIP) -r $<
	@touch $@

$(VENV)/installed-tools: .ci/requirements.txt $(VENV)/installed
	$(VENV)/bin/python $(PIP) -r $<
	@touch $@

$(VENV)-sites/installed: tests/sites/requirements/sites.txt
	@$(NEED_PYTHON)
	$(PYTHON) -m venv $(VENV)-sites
	$(VENV)-sites/bin/python $(PIP) -r $<
	@touch $@
