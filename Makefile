# Every daily command. `make help` lists them; nothing else is needed to begin than Python ≥ 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := libs/common services/inventory services/power services/boot services/inspector services/firmware \
  services/console services/api-gateway deploy/agent deploy/rack deploy/local
STAMP := $(VENV)/.installed
# One more than a small machine has cores: tests with whole suites wait for a third of their time.
TEST_JOBS ?= 3

.PHONY: help venv demo test lint check fmt lab differential keystone asyncapi bench docs clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

venv: $(STAMP) ## everything installed into .venv; .venv/bin/steelyard works

$(STAMP): constraints.txt requirements-dev.txt $(addsuffix /pyproject.toml,$(PACKAGES))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Steelyard needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "Installing into $(VENV) (a few minutes the first time) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -U -c constraints.txt setuptools wheel
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation -c constraints.txt \
	  -r requirements-dev.txt $(addprefix -e ,$(PACKAGES))
	@touch $@

demo: venv ## 12 simulated machines: enrolled, verified, inspected, cleaned, deployed; stays up until Ctrl-C (ONESHOT=1: ends)
	@$(BIN)/steelyard demo

test: venv ## all tests that need no root and no hardware-like lab
	$(BIN)/python -m pytest -n $(TEST_JOBS)

lint: venv ## format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test ## what must pass before a change lands

fmt: venv ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lab: venv ## QEMU machines behind real BMC emulators, driven by the real client (Debian, root)
	tests/lab/run

differential: venv ## the same requests to a real Ironic 39 (from PyPI, into .cache/) and to Steelyard must be answered alike
	$(BIN)/python -m pytest tests/differential

keystone: venv ## sign-in with tokens of a real Keystone (from PyPI, into .cache/)
	$(BIN)/python -m pytest tests/keystone

asyncapi: venv .cache/asyncapi/package ## the AsyncAPI document is valid by the standard's own schema (from npm, into .cache/)
	$(BIN)/python -m pytest deploy/local/tests/test_asyncapi.py

.cache/asyncapi/package:
	@mkdir -p .cache/asyncapi
	@cd .cache/asyncapi && npm pack --silent @asyncapi/specs@6.11.1 >/dev/null && tar xzf asyncapi-specs-*.tgz

bench: venv ## all benchmarks: table and JSON (bench/out/)
	$(BIN)/python -m bench

docs: venv ## make the reference pages that come from code
	$(BIN)/python -m docs.generate

clean: ## remove what was built (not the data of `steelyard up`)
	rm -rf $(VENV) build bench/out .mypy_cache .ruff_cache .pytest_cache
