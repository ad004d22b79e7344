# make demo    a node with examples/guestbook on it, pushed with plain git; it goes on running
# make stop    stops the demo's node; its data stays
# make test    every test, from nothing
# make check   ruff and mypy
# make bench   measures this machine's node beside a rival set up by hand, in some 40 minutes; docs/benchmarks.md
#              ONLY=traffic,wake: parts of it. QUICK=1: a tenth of each. MINUTES=10: visits for longer. APPS=10,100
#
# PYTHON is what the virtualenv is made with. Without a choice: the first python3 that another account can run too,
# since a node that runs as root lets an unprivileged account run the apps.

SHELL := /bin/sh
PYTHON ?= $(shell examples/choose_python.sh)
VENV := .venv
BIN := $(VENV)/bin

# uv trusts what pip and every other program of this machine trust; where uv has no way, pip as it is configured has.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem),)
export UV_SYSTEM_CERTS ?= true
export UV_NATIVE_TLS ?= true
endif
INSTALL = install() { \
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable "$$1" || { \
	echo "uv could not install; trying pip" && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable "$$1"; }; }; install

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
	@$(BIN)/python -m mypy --no-error-summary

bench: $(VENV)/test.installed
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m benchmarks.run $(if $(ONLY),--only $(ONLY)) \
		$(if $(MINUTES),--minutes $(MINUTES)) $(if $(APPS),--apps $(APPS)) $(if $(QUICK),--quick)

$(VENV)/uv.installed:
	@echo "making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@touch $@

$(VENV)/node.installed: setup.cfg pyproject.toml $(VENV)/uv.installed
	@$(INSTALL) '.[node]'
	@touch $@

$(VENV)/test.installed: setup.cfg pyproject.toml $(VENV)/uv.installed
	@$(INSTALL) '.[node,test]'
	@touch $@ $(VENV)/node.installed

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
