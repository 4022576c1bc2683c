# Two commands on a fresh machine: `make demo` and `make test`. Everything else is for those who build footfall.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= auto

.PHONY: demo test test-again test-all originals database collector e2e images lint format types check bench docs clean

demo: $(VENV)/.demo
	$(BIN)/footfall demo

test: $(VENV)/.dev
	$(BIN)/pytest -n $(WORKERS)

# What failed in the last `make test`, alone: what fails again is broken, what does not depends on what runs beside it.
test-again: $(VENV)/.dev
	$(BIN)/pytest -n0 --last-failed --last-failed-no-failures none

# On every CPython from 3.10 to 3.13 found here, each in an environment of its own.
test-all:
	.ci/test-all

# The original clients' own tests, fetched into a temporary folder, with their imports pointed at the facades.
originals: $(VENV)/.dev
	$(BIN)/python -m tests.originals

# Two million rows of a PostgreSQL of our own, gathered and delivered by programs that are killed; ROWS=50000 for a
# short look. Without Debian's package `postgresql` SQLite stands in.
database: $(VENV)/.dev
	$(BIN)/python -m tests.database

# The OpenTelemetry Collector of collector-config/builder.yaml; kept in the user's cache.
collector:
	@$(PYTHON) collector-config/build.py

# Whole pipelines of real Collectors, footfall's gateway and Kafka, killed under load; SPANS=2000 for a short look.
e2e: $(VENV)/.dev
	$(BIN)/python -m tests.pipeline

# What docker/ holds, built and brought up without an engine; needs Go, bubblewrap and iproute2.
images: $(VENV)/.dev
	$(BIN)/python -m tests.docker

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell src tests docs docker examples collector-config bench README.md CHANGELOG.md

types: $(VENV)/.dev
	$(BIN)/mypy
	$(BIN)/pyright

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# What CI and pre-commit call.
check: lint types

# Ratios against the references of the design, interleaved in one run; exits 1 when a figure is missed.
bench: $(VENV)/.dev
	$(BIN)/python -m bench

# Writes the generated tables of docs/; tests/test_docs.py fails when they are stale.
docs: $(VENV)/.dev
	$(BIN)/python -m tests.docs_tables
	$(BIN)/python -m tests.collector_keys

clean:
	rm -rf $(VENV) .venv-* .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -e ".[demo]"
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	touch $@ $(VENV)/.demo
