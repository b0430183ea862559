# Every target sets up what it needs. PYTHON chooses the interpreter (3.11 or 3.12).
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do $$p -c "import venv" 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# No header and no index: the files name packages and hashes, never where they come from.
COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --extra build
# Tests mostly wait, so more of them run than there are cores; those marked `alone` measure, and run by themselves.
WORKERS := -n 4 --dist loadgroup --no-loadscope-reorder --durations=20 --durations-min=2

.PHONY: demo up lint test test-slow bench schema requirements clean

demo: .venv/installed  ## Send 5,000 events through the whole system and show the report
	$(BIN)/waybill demo

up: .venv/installed  ## Run the whole system with workspace.yaml until Ctrl-C
	$(BIN)/waybill up

lint: .venv/installed-dev  ## Formatting, lint, layers, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

test: .venv/installed-dev  ## Everything but the slow parts, under 10 minutes on 2 cores
	$(BIN)/pytest -m "not slow and not alone" $(WORKERS)
	$(BIN)/pytest -m "not slow and alone"

test-slow: .venv/installed-dev  ## Crashes, bursts, hangs, SDKs: under 15 minutes
	$(BIN)/pytest -m "slow and not alone" $(WORKERS)
	$(BIN)/pytest -m "slow and alone"

bench: .venv/installed-dev  ## Measure delivery, reading and alerting; one JSON line per scenario
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.alerts

schema: .venv/installed-dev  ## Write workspace.schema.json, which editors complete workspace files from
	$(BIN)/python -c "from model.workspace.workspace import workspace_schema_text as t; print(t(), end='')" > workspace.schema.json.new
	mv workspace.schema.json.new workspace.schema.json

requirements: .venv/installed  ## Pin every dependency with its hashes
	$(BIN)/pip install -q uv==0.13.8
	$(COMPILE) -o requirements.txt pyproject.toml
	$(COMPILE) --extra dev -o requirements-dev.txt pyproject.toml

clean:  ## Remove what the targets made; data stays
	rm -rf .venv .cache build *.egg-info

.venv/installed: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if v in {(3, 11), (3, 12)} else "Waybill needs Python 3.11 or 3.12; this is %d.%d. Set PYTHON=/path/to/python3.12" % v)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt
	touch $@
