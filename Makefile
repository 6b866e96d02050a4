# Every target has a plain command, shown by `make help`, for machines without make.

PYTHON ?= python3
CONFIG ?= default
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PARALLEL := -n auto --dist worksteal

# Compiling the program anew takes a second of each start, and the tests start it often.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help bench verify calibrate site serve export report validate test test-fast check snapshots schema clean

help: ## list every target
	@echo "Benchledger: benchmark local language models, keep every run, browse the history."
	@echo
	@awk -F ' ## ' '/^[a-z-]+:.* ## / { split($$1, name, ":"); printf "  make %-10s %s\n", name[1], $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  make bench CONFIG=path/to/config.yaml runs another config; PYTHON=python3.12 chooses the interpreter."

bench: $(VENV)/run.installed ## run the default config, write one result file (bench run)
	$(BIN)/bench run $(CONFIG)

verify: $(VENV)/run.installed ## look whether the models of the config are ready for a run (bench verify)
	$(BIN)/bench verify $(CONFIG)

site: $(VENV)/site.installed ## turn results/ into a static site in site/ (bench site)
	$(BIN)/bench site

serve: $(VENV)/site.installed ## serve the site with live reload (bench serve)
	$(BIN)/bench serve

calibrate: $(VENV)/run.installed ## measure this program's own client on this machine (bench calibrate)
	$(BIN)/bench calibrate

export: $(VENV)/run.installed ## print the newest results as CSV (bench export --format csv)
	@$(BIN)/bench export --format csv

report: $(VENV)/run.installed ## write benchmark_report.md (bench export --format report -o benchmark_report.md)
	$(BIN)/bench export --format report --output benchmark_report.md

validate: $(VENV)/run.installed ## validate every file under results/ (bench check results)
	$(BIN)/bench check results

test: $(VENV)/test.installed ## run the tests on all cores (python -m pytest -n auto --dist worksteal)
	$(BIN)/python -m pytest $(PARALLEL)

test-fast: $(VENV)/test.installed ## the tests for every save (python -m pytest -n auto --dist worksteal -m "not (runtime or browser or slow)")
	$(BIN)/python -m pytest $(PARALLEL) -m "not (runtime or browser or slow)"

check: $(VENV)/test.installed ## lint and type-check (ruff check, ruff format --check, mypy)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

snapshots: $(VENV)/test.installed ## accept the pages and charts as they are now (python -m pytest --snapshot-update)
	$(BIN)/python -m pytest --snapshot-update

schema: $(VENV)/run.installed ## write docs/result-schema.json from the types (bench schema --output FILE)
	$(BIN)/bench schema --output docs/result-schema.json

clean: ## remove what was built, but no result and no installation (no plain command: delete them by hand)
	rm -rf site docs/report docs/index.md .cache .mypy_cache .pytest_cache .ruff_cache

$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name one with make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run.installed: $(VENV)/created pyproject.toml constraints.txt
	@echo "Installing what a run needs into $(VENV) (once) ..."
	$(INSTALL) --editable .
	@touch $@

$(VENV)/site.installed: $(VENV)/run.installed
	@echo "Installing what the site needs into $(VENV) (once) ..."
	$(INSTALL) --editable '.[site]'
	@touch $@

$(VENV)/test.installed: $(VENV)/site.installed
	@echo "Installing what the tests need into $(VENV) (once) ..."
	$(INSTALL) --editable '.[test]'
	@touch $@
