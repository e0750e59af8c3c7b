# Everything a user or CI does. `make help` lists the verbs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
CHROMIUM := /usr/bin/chromium
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup up lab test check audit fix unit e2e sdk openapi browser demo bench peers chaos lock alerts clean

help: ## this list
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## /\1\t/' | expand -t 10

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml
	@echo "Installing Heliograph into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes -r requirements/runtime.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: requirements/test.txt $(VENV)/.runtime
	@echo "Installing what the tests need ..."
	@$(PIP) --require-hashes -r requirements/test.txt
	@touch $@

sdk/node_modules/.installed: sdk/package-lock.json
	@echo "Installing what the clients need ..."
	@cd sdk && npm ci --silent --no-progress
	@touch $@

$(CHROMIUM): # headless, for tests/browser; Playwright's driver comes with its wheel
	@echo "Installing Debian's chromium ..."
	@apt-get update -qq
	@DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium > /dev/null

setup: $(VENV)/.runtime ## install into .venv, from the locked requirements

up: setup ## install and start everything; ARGS="--lab --port 9000" goes to `heliograph up`
	@exec $(BIN)/heliograph up $(ARGS)

demo: setup sdk/node_modules/.installed ## build the demo's page and start it: two people, a shop, a mailbox
	@cd sdk && npm run --silent build -w @heliograph/client -w @heliograph/react -w heliograph-demo-web > /dev/null
	@exec $(BIN)/heliograph up --demo $(ARGS)

lab: setup ## the provider lab alone
	@exec $(BIN)/heliograph lab $(ARGS)

test: check sdk $(CHROMIUM) ## every suite; what kills processes comes last, beside nothing else
	@$(BIN)/python -m pytest -n 2 --dist loadfile --ignore tests/chaos $(ARGS)
	@$(BIN)/python -m pytest -n 2 --dist loadfile tests/chaos $(ARGS)

check: audit ## format, lint, types, layers, advisories
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

audit: $(VENV)/.test ## what we build on (SBOM in build/sbom), and whether a hole in it is known
	@$(BIN)/python -m tests.support.supply_chain

fix: $(VENV)/.test ## format and mend what can be mended
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

unit: $(VENV)/.test ## unit and contract tests only
	@$(BIN)/python -m pytest tests/unit tests/contract $(ARGS)

e2e: $(VENV)/.test ## end-to-end tests only
	@$(BIN)/python -m pytest tests/e2e $(ARGS)

sdk: sdk/node_modules/.installed ## the clients: build, lint, types, packaging, size, tests
	@cd sdk && npm run --silent check && npm test --silent

openapi: $(VENV)/.test sdk/node_modules/.installed ## what the clients rely on, anew from the running system
	@$(BIN)/python -m tests.support.openapi
	@cd sdk && npm run --silent openapi

browser: $(VENV)/.test $(CHROMIUM) sdk/node_modules/.installed ## pages in a real browser against the running system
	@cd sdk && npm run --silent build
	@$(BIN)/python -m pytest tests/browser $(ARGS)

chaos: $(VENV)/.test ## the long profile of the chaos tests
	@HELIOGRAPH_CHAOS=long $(BIN)/python -m pytest tests/chaos --timeout 3600 $(ARGS)

bench: setup ## the benchmarks, with their limits measured in the same run; ARGS="drain --seconds 2"
	@$(BIN)/heliograph bench $(or $(ARGS),all)

PEERS := bench/peers
$(PEERS)/.installed: $(PEERS)/celery/requirements.txt $(PEERS)/bullmq/package-lock.json
	@echo "Installing the peers into $(PEERS) ..."
	@$(PYTHON) -m venv $(PEERS)/.venv
	@$(PEERS)/.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@cd $(PEERS)/bullmq && npm ci --silent --no-progress
	@touch $@

peers: setup $(PEERS)/.installed ## what `heliograph bench peers` measures itself against: Celery and BullMQ

lock: ## compile the requirements anew (needs uv)
	@$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 \
		pyproject.toml requirements/build.in -o requirements/runtime.txt
	@$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 \
		--extra otel pyproject.toml requirements/build.in -c requirements/runtime.txt -o requirements/otel.txt
	@$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 \
		--extra test pyproject.toml requirements/build.in -c requirements/runtime.txt -o requirements/test.txt
	@$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 \
		$(PEERS)/celery/requirements.in -o $(PEERS)/celery/requirements.txt

alerts: ## test the alert rules with promtool (needs Go; builds it once, ten minutes)
	@go run github.com/prometheus/prometheus/cmd/promtool@v0.316.0 test rules deploy/prometheus/alerts_test.yml

clean: ## forget the installation and every cache; your data stays
	@rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache sdk/node_modules
