# The one vocabulary of commands: README, CI, pre-commit and people all say these words.
# Needs make, git and Python 3.11+; everything else is installed into .tools/ and .venv/.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
WORKERS ?= 2

POETRY_VERSION := 2.5.1
MIRROR_PLUGIN_VERSION := 0.6.5

BIN := .venv/bin
TOOLS := .tools/poetry
TOOLS_STAMP := $(TOOLS)/.stamp-$(POETRY_VERSION)-$(MIRROR_PLUGIN_VERSION)
INSTALL_STAMP := .venv/.stamp
BENCH_STAMP := .venv/.stamp-bench
TYPES := app/client/typescript
TYPES_STAMP := $(TYPES)/node_modules/.stamp
ISSUER := tests/node_issuer
ISSUER_STAMP := $(ISSUER)/node_modules/.stamp
SECRETS := client[_]secret|Authorization[:] Bearer|SAC_CLIENT[_]SECRET

# Poetry asks the index that pip is set up with, and no outer virtualenv gets in its way.
# (`pip config get` reads the user's file only; pip's own option parser reads them all, and PIP_INDEX_URL.)
INDEX_URL = $$($(TOOLS)/bin/python -c 'from pip._internal.commands import create_command; \
	print(create_command("install").parser.get_default_values().index_url)')
POETRY = unset VIRTUAL_ENV CONDA_PREFIX CONDA_DEFAULT_ENV; \
	export POETRY_VIRTUALENVS_IN_PROJECT=true POETRY_VIRTUALENVS_USE_POETRY_PYTHON=true; \
	export POETRY_PYPI_MIRROR_URL="$${POETRY_PYPI_MIRROR_URL:-$(INDEX_URL)}"; \
	$(TOOLS)/bin/python -m poetry --no-interaction --no-ansi

MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo run test check fix bench typescript install clean lock lint format types arrows docstrings secrets dockerfile locked

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile

demo: install ## show the whole path against a simulated tenant (CHECK=1: check it and stop)
	@trap 'exit 0' INT; $(BIN)/python -m demo $(if $(CHECK),--check)

run: install ## serve the app on HOST:PORT
	@trap 'exit 0' INT; $(BIN)/python -m uvicorn app.main:app --host $(HOST) --port $(PORT)

test: check $(TYPES_STAMP) $(ISSUER_STAMP) ## check, then run the tests with coverage (ARGS=... for pytest)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --cov $(ARGS)

check: lint format types arrows docstrings secrets dockerfile locked ## run every check but the tests

fix: install ## repair what ruff can repair
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lint: install ## ruff's rules
	@$(BIN)/ruff check .

format: install ## ruff's format
	@$(BIN)/ruff format --check .

types: install ## mypy, strict
	@$(BIN)/mypy

arrows: install ## import-linter: who may import whom
	@$(BIN)/lint-imports --no-logo

docstrings: install ## interrogate: every test says what must hold
	@$(BIN)/interrogate --quiet tests && echo "docstrings: every test has one" \
		|| { $(BIN)/interrogate -vv --omit-covered-files tests; exit 1; }

secrets: ## no literal of a secret's name but in the pages that explain variables
	@git grep --untracked -nE '$(SECRETS)' -- ':!docs' ':!README.md' ':!.env.example'; case $$? in \
		1) echo "secrets: none";; \
		0) echo "secrets: these literals belong in docs/, README.md and .env.example only" >&2; exit 1;; \
		*) exit 2;; esac

dockerfile: install ## hadolint
	@$(BIN)/hadolint Dockerfile
	@echo "dockerfile: clean"

locked: install ## poetry.lock fits pyproject.toml
	@$(POETRY) check --lock

lock: $(TOOLS_STAMP) ## write poetry.lock anew after a change of pyproject.toml
	@$(POETRY) lock

bench: $(BENCH_STAMP) ## compare pulls and serving with others, into docs/performance.md (10 minutes)
	@$(BIN)/python -m tests.benchmarks --write docs/performance.md $(ARGS)
	@$(BIN)/python -m tests.benchmarks.serving --write docs/performance.md

typescript: install ## write the TypeScript types of the API anew (needs npm)
	@npm ci --prefix $(TYPES) --silent --no-audit --no-fund
	@$(BIN)/python -m demo.openapi > $(TYPES)/node_modules/openapi.json
	@cd $(TYPES) && node generate.mjs node_modules/openapi.json series-api.d.ts
	@echo "$(TYPES)/series-api.d.ts is written"

# The TypeScript compiler and a certified issuer of tokens, for the tests that ask them; without npm
# these are skipped and say so.
$(TYPES_STAMP) $(ISSUER_STAMP): %/node_modules/.stamp: %/package-lock.json
	@if command -v npm >/dev/null; then \
		npm ci --prefix $* --silent --no-audit --no-fund && touch $@ \
			|| echo "npm could not install what $* needs; its tests are skipped" >&2; \
	else echo "no npm: the tests of $* are skipped" >&2; fi

install: $(INSTALL_STAMP) ## put Poetry into .tools and the locked packages into .venv
	@:

$(INSTALL_STAMP): pyproject.toml poetry.lock | $(TOOLS_STAMP)
	@$(POETRY) install
	@touch $@

# What we are compared with is no part of us, and CI does without it.
$(BENCH_STAMP): $(INSTALL_STAMP)
	@$(POETRY) install --with bench
	@touch $@

$(TOOLS_STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "sac-series needs Python 3.11 or newer, and '$(PYTHON)' is not: make install PYTHON=python3.13" >&2; \
		exit 1; }
	@echo "Installing Poetry $(POETRY_VERSION) into $(TOOLS)"
	@rm -rf $(TOOLS)
	@$(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install -qq --disable-pip-version-check \
		poetry==$(POETRY_VERSION) poetry-plugin-pypi-mirror==$(MIRROR_PLUGIN_VERSION)
	@touch $@

clean: ## remove what these commands made, but not the data
	@rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@rm -rf .coverage .coverage.* htmlcov $(TYPES)/node_modules $(ISSUER)/node_modules
	@find app demo tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
