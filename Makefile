# babelwatch: every target says what it does with `make help`
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
# Most of the time of the tests is waiting for services, so more files at once than cores.
TEST_WORKERS ?= 3
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help setup setup-dev setup-train setup-bench frontend demo test test-faults chaos fuzz lint format bench lock schemas clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.python:
	@$(PYTHON) .ci/preflight.py
	@echo "==> environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: requirements.lock pyproject.toml $(VENV)/.python
	@echo "==> packages from requirements.lock (about 600 MB once; seconds when cached)"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --quiet -e . 2>/dev/null || $(PIP) install --no-deps --quiet -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@echo "==> packages from requirements-dev.lock"
	@$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/.installed-train: requirements-train.lock $(VENV)/.installed
	@echo "==> packages from requirements-train.lock (torch and transformers: some GB)"
	@$(PIP) install --require-hashes -r requirements-train.lock
	@touch $@

setup: $(VENV)/.installed frontend ## Create .venv and install what running needs

setup-dev: $(VENV)/.installed-dev frontend ## ... and what the tests need

setup-train: $(VENV)/.installed-train ## ... and torch and transformers, for training and export

$(VENV)/.installed-bench: requirements-bench.lock $(VENV)/.installed-dev
	@$(PIP) install --quiet --require-hashes -r requirements-bench.lock
	@touch $@

setup-bench: $(VENV)/.installed-bench ## ... and the peers of `make bench ARGS=peers_compared`

frontend: $(VENV)/.installed ## Build the dashboard's front end (Node of the machine, else of PyPI)
	@$(BIN)/python .ci/frontend.py $(BIN)/python

demo: setup ## Run everything on this machine with sample mentions: make demo ARGS="--fresh"
	@$(BIN)/babelwatch demo $(ARGS)

test: setup-dev ## Run the tests: make test ARGS="-k brands"
	@$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder --durations 25 $(ARGS)

test-faults: setup-dev ## The long tests: crashes and races at every statement, upgrades, repairs, swaps, every mutation
	@BABELWATCH_TEST_FULL=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS) tests/integration/test_store_faults.py \
		tests/integration/test_rescore_faults.py
	@BABELWATCH_TEST_FULL=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS) -m long \
		--ignore tests/integration/test_store_faults.py --ignore tests/integration/test_rescore_faults.py

chaos: setup-dev ## Run through faults and check every count: make chaos ARGS=--short (the full form takes hours)
	@$(BIN)/python -m tests.chaos $(ARGS)

fuzz: setup-dev ## Send poison through every entrance, account for each: make fuzz ARGS=--short
	@$(BIN)/python -m tests.fuzz $(ARGS)

lint: setup-dev ## Format check, lint (with the bandit rules), types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: setup-dev ## Format and fix
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup-dev ## Measure, as ratios against named peers: make bench ARGS="--quick"
	@$(BIN)/python -m benchmarks $(ARGS)

lock: setup-dev ## Recompile the lock files from pyproject.toml
	@PATH="$(CURDIR)/$(BIN):$$PATH" .ci/lock

schemas: setup ## Regenerate schemas/json from schemas/events.py
	@$(BIN)/python -m schemas.json_schema

clean: ## Remove the environment and build outputs (data/ stays)
	@rm -rf $(VENV) build dist *.egg-info node_modules pipeline/dashboard/static
