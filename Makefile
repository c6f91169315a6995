# Everything runs in .venv, which the first target that needs it creates from the lock files.
PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
LAUNCHER := $(BIN)/python -m exchange_poc.launcher --stop-with-parent
# The locks hold every package, so nothing is resolved, and no later release of any can change what is installed.
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install -qq --require-hashes --no-deps

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run demo test faults lint bench screenshots clean-data

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.run ## Run the exchange on 127.0.0.1:$PORT (8000) until Ctrl-C
	@exec $(LAUNCHER) run

demo: $(VENV)/.run ## Run an exchange with a week of trading and a crash, on .local/demo
	@exec $(LAUNCHER) demo

test: $(VENV)/.dev ## Run the test suite on servers of its own; ARGS="-k word" goes to pytest
	@exec $(LAUNCHER) test -- $(ARGS)

faults: $(VENV)/.dev ## Kill parts of a running exchange under load; prints figures, takes minutes
	@exec $(BIN)/python -m pytest tests/faults/trial_*.py $(ARGS)

lint: $(VENV)/.dev ## Check style, types, import direction and missing migrations
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python manage.py makemigrations --check --dry-run

bench: $(VENV)/.dev ## Measure on servers of its own; ARGS="--only orders" runs one part
	@exec $(BIN)/python -m benchmarks $(ARGS)

screenshots: $(VENV)/.dev ## Take the pictures in docs/images with Chromium
	@exec $(LAUNCHER) test -- tests/browser/screenshots.py

clean-data: $(VENV)/.run ## Delete the data of `make run`
	@$(LAUNCHER) clean-data

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": set PYTHON=...")'
	@echo "Creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.lock | $(BIN)/python
	@echo "Installing requirements.lock"
	@$(INSTALL) -r $<
	@$(PIP) check
	@touch $@

# The development lock holds all of requirements.lock.
$(VENV)/.dev: requirements-dev.lock requirements.lock | $(BIN)/python
	@echo "Installing requirements-dev.lock"
	@$(INSTALL) -r $<
	@$(PIP) check
	@touch $(VENV)/.run $@
