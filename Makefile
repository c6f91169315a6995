# Everything runs in .venv, which the first target that needs it creates from the lock files.
PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
LAUNCHER := $(BIN)/python -m exchange_poc.launcher --stop-with-parent
INSTALL := $(PYTHON) -I exchange_poc/launcher/install.py --venv $(VENV)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run demo check test faults agents-trial scale-trial image-trial lab lab-demo lab-trials mutants lint bench screenshots wheels clean-data

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.run ## Run the exchange on 127.0.0.1:$PORT (8000) until Ctrl-C
	@exec $(LAUNCHER) run

demo: $(VENV)/.run ## Run an exchange with a week of trading and a crash, on .local/demo
	@exec $(LAUNCHER) demo

check: $(VENV)/.dev ## Run all tests but those of whole systems (tests/system), while you work
	@exec $(LAUNCHER) test -- --ignore=tests/system --hypothesis-profile=quick $(ARGS)

test: $(VENV)/.dev ## Run the test suite on every core, on servers of its own; ARGS="-k word" goes to pytest
	@exec $(LAUNCHER) test -- $(ARGS)

faults: $(VENV)/.dev ## Kill parts of a running exchange under load; prints figures, takes minutes
	@exec $(BIN)/python -m pytest tests/system/faults/trial_*.py $(ARGS)

agents-trial: $(VENV)/.dev ## Let 50 agents trade on the stream for two minutes; prints figures
	@exec $(BIN)/python -m pytest tests/system/agents/trial_agents.py $(ARGS)

scale-trial: $(VENV)/.dev ## Kill parts of two web tiers and Celery nodes behind PgBouncer; takes minutes
	@exec $(BIN)/python -m pytest tests/system/scale/trial_*.py $(ARGS)

image-trial: $(VENV)/.dev ## Build the image and run its containers, where buildah is; takes some minutes
	@exec $(LAUNCHER) test -- tests/system/image/trial_image.py -rs $(ARGS)

mutants: $(VENV)/.dev ## Change the code token by token, to see a test fail each time; takes long
	@exec $(LAUNCHER) test -- tests/system/mutants/trial_mutants.py -s $(ARGS)

lint: $(VENV)/.dev ## Check style, types, import direction and missing migrations
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python manage.py makemigrations --check --dry-run

bench: $(VENV)/.dev ## Measure on servers of its own; ARGS="--only orders" runs one part
	@exec $(BIN)/python -m benchmarks $(ARGS)

lab: $(VENV)/.lab ## Install what the policy lab needs besides

lab-demo: $(VENV)/.lab ## Run the lab's example on a made-up crash, and print where its report is
	@$(BIN)/python manage.py migrate --noinput --verbosity 0
	@$(BIN)/python manage.py lab run docs/studies/demo.toml --out "$(CURDIR)/.local/lab-demo"

lab-trials: $(VENV)/.dev ## Hold the rules in arrays against the exchange's own in 100,000 random cases
	@LAB_TRIALS=100000 exec $(LAUNCHER) test -- tests/risk/arrays tests/kpi/lab/cells $(ARGS)

screenshots: $(VENV)/.dev ## Take the pictures in docs/images with Chromium
	@exec $(LAUNCHER) test -- tests/system/browser/screenshots.py

wheels: $(VENV)/.dev ## Check that every locked package comes as a wheel wherever the exchange runs
	@exec $(BIN)/python .ci/wheels.py

clean-data: $(VENV)/.run ## Delete the data of `make run`
	@$(LAUNCHER) clean-data

$(VENV)/.run: requirements.lock
	@$(INSTALL) --stamp .run $^

$(VENV)/.lab: requirements-lab.lock requirements.lock
	@$(INSTALL) --stamp .run --stamp .lab $^

# The development lock holds all of the other two.
$(VENV)/.dev: requirements-dev.lock requirements-lab.lock requirements.lock
	@$(INSTALL) --stamp .run --stamp .lab --stamp .dev $^
