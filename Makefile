# The commands of a contributor; `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(if $(wildcard $(VENV)/bin/python),$(VENV)/bin/,)

.PHONY: help setup test test-all lint audit mutation docs report

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## a virtual environment with the library, the suite and everything that tests and documents them
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -c constraints.txt -e ".[suite,dev,docs]"

test: ## the fast tests, on all cores
	$(BIN)python -m pytest -n auto

test-all: ## the slow tests as well
	$(BIN)python -m pytest -n auto -m "slow or not slow"

lint: ## style, import contracts, types of the library
	$(BIN)python -m ruff check .
	$(BIN)python -m ruff format --check .
	$(BIN)lint-imports
	$(BIN)pyright carelu

audit: ## known vulnerabilities of the versions in constraints.txt; skipped where the database cannot be reached
	$(BIN)python scripts/audit.py

mutation: ## small changes of the code that no test notices, a sample of them
	$(BIN)python scripts/mutation.py --share 0.11 --seed 1

docs: ## the site in site/, every warning an error
	$(BIN)python scripts/make_docs.py
	$(BIN)python -m zensical build --clean --strict

report: ## tables, figures, the page in results/ and the results of README.md, from the ledgers
	$(BIN)python scripts/remake_tables.py
	$(BIN)python scripts/make_figures.py
	$(BIN)python scripts/make_report.py
	$(BIN)python scripts/make_docs.py --front-page
	$(BIN)python scripts/make_readme.py
