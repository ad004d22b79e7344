# make demo    a node with examples/guestbook on it, pushed with plain git; it goes on running
# make stop    stops the demo's node; its data stays
# make test    every test, from nothing
# make check   ruff and mypy
# make bench   measures pushes, config changes, rollbacks and failed requests on this machine
#
# PYTHON is what the virtualenv is made with. Without a choice: the first python3 that another account can run too,
# since a node that runs as root lets an unprivileged account run the apps.

SHELL := /bin/sh
PYTHON ?= $(shell examples/choose_python.sh)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo stop test check bench clean

demo: $(VENV)/node.installed
	@$(BIN)/python -I examples/demo.py start

stop: $(VENV)/node.installed
	@$(BIN)/python -I examples/demo.py stop

test: $(VENV)/test.installed check
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -q

check: $(VENV)/test.installed
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary

bench: $(VENV)/test.installed
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m benchmarks.run

$(VENV)/uv.installed:
	@echo "making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check uv
	@touch $@

$(VENV)/node.installed: setup.cfg pyproject.toml $(VENV)/uv.installed
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[node]'
	@touch $@

$(VENV)/test.installed: setup.cfg pyproject.toml $(VENV)/uv.installed
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[node,test]'
	@touch $@ $(VENV)/node.installed

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
