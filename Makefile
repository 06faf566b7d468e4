SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The interpreter for .venv; empty: the newest one from 3.11 on.
PYTHON ?=
# What `make test` hands to pytest besides, as in: make test ARGS='-k merge'
ARGS ?=
# Test processes; more than the processors, since most of a test's time is spent waiting for the engine.
JOBS ?= 4

VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo demo-claude test torture lint format bench engine images image venv lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: venv images ## Set everything up and run a MapReduce workflow over this repository
	@tools/demo

demo-claude: venv images ## The same with real Claude Code agents and a scripted model; needs no key
	@tools/demo-claude

test: venv images ## Set everything up and run every test (ARGS='...' is handed to pytest)
	@$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

torture: venv images ## Disturb runs in every way, and take them up again; writes benchmarks/RESULTS.md
	@mkdir -p build
	@PRODIGY_TORTURE=all $(BIN)/pytest -n $(JOBS) --junit-xml build/torture.xml tests/e2e/test_torture.py || true
	@$(BIN)/python -m benchmarks.torture build/torture.xml

lint: venv ## Check style, types, layers and scripts
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/shellcheck $$(git grep -lE '^#!.*\b(ba)?sh$$')

format: venv ## Rewrite the code in the style that lint checks
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: venv images ## Measure prodigy against its baselines; writes benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks

engine: venv ## Use the container engine that answers, else install and start one (root on Debian or Ubuntu)
	@tools/engine

images: engine ## Build prodigy's own images, unless they are there
	@$(BIN)/prodigy images ls | grep prodigy-egress >/dev/null || echo "Building prodigy's images" >&2
	@$(BIN)/prodigy --quiet images build --all >/dev/null

image: engine ## Build prodigy itself as an image, prodigy:latest
	@tools/image

venv: $(VENV)/.installed ## Make .venv with prodigy and its locked dependencies

$(VENV)/.installed: requirements-dev.lock pyproject.toml tools/venv
	@PYTHON='$(PYTHON)' tools/venv

lock: venv ## Take the newest releases of all dependencies into the lock files
	@tools/lock

clean: ## Remove .venv, caches and build results; images and sessions stay
	@rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
