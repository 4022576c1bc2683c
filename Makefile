# Two commands on a fresh machine: `make demo` and `make test`. Everything else is for those who build footfall.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= auto

.PHONY: demo test test-all originals lint format types check bench docs clean

demo: $(VENV)/.demo
	$(BIN)/footfall demo

test: $(VENV)/.dev
	$(BIN)/pytest -n $(WORKERS)

# On every CPython from 3.10 to 3.13 found here, each in an environment of its own.
test-all:
	.ci/test-all

# The original clients' own tests, fetched into a temporary folder, with their imports pointed at the facades.
originals: $(VENV)/.dev
	$(BIN)/python -m tests.originals

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell src tests docs bench README.md CHANGELOG.md

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
