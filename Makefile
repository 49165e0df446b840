# make demo, make test: each sets up what it needs first. make install is the set-up alone.

PYTHONS := python3 python3.14 python3.13 python3.12 python3.11
PYTHON ?= $(shell for p in $(PYTHONS); do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv

.DEFAULT_GOAL := help
.PHONY: help install demo test docs

help:
	@echo "make demo     the example site with demo data on http://127.0.0.1:$${PORT:-8000}/, until Ctrl-C"
	@echo "make test     the tests"
	@echo "make docs     the documentation as a site, in build/docs/"
	@echo "make install  only the set-up, in $(VENV)"

install: $(VENV)/installed

$(VENV)/installed: requirements.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; name it: make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

demo: install
	@$(VENV)/bin/python manage.py demo

test: install
	$(VENV)/bin/python -m pytest -n auto $(PYTEST_ARGS)

docs: install
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .ci/requirements.txt
	$(VENV)/bin/python -m sphinx -q -W --keep-going -n -c docs . build/docs
	@echo "build/docs/docs/index.html"
