# The same targets for people and for CI. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH_READY := $(VENV)/.bench-ready

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test lint types format bench crash docs verify ci clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## build the environment (.venv) with everything tests and demos need

$(READY): pyproject.toml src/waypost/runtimes/node/package-lock.json
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Waypost needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --group dev
	$(BIN)/waypost runtimes install nodejs
	@touch $@

demo: $(READY) ## run the order-inventory workflow end to end with stock clients
	$(BIN)/python tools/demo.py

serve: $(READY) ## run a server on port 4566
	$(BIN)/waypost serve

test: $(READY) ## run all tests
	$(BIN)/python -m pytest

lint: $(READY) ## ruff, import contracts, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

types: $(READY) ## mypy only
	$(BIN)/mypy

format: $(READY) ## let ruff lay out the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) $(BENCH_READY) ## whole-server figures, on both stores, beside peers and the bare HTTP floor
	$(BIN)/python -m benchmarks

$(BENCH_READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)/peers
	$(VENV)/peers/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(VENV)/peers/bin/python -m pip install --quiet --group bench
	@touch $@

crash: $(READY) ## kill -9 under load on both stores, longer than in the tests
	WAYPOST_CRASH_KILLS=30 $(BIN)/python -m pytest tests/crash -s

docs: $(READY) ## write the pages that are generated from the code
	$(BIN)/python tools/generate_docs.py --write

verify: $(READY) ## fail where a generated page differs from the code
	$(BIN)/python tools/generate_docs.py

ci: lint verify test ## what CI runs

clean: ## remove the environment and everything built
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .import_linter_cache .waypost
