# What a developer types. Everything runs in .venv, which is made when it is missing or the locked requirements changed.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CRD := crds/chains.baseten.co_chainenvironments.yaml

# The Python that .venv is made with: the first of these that is new enough and can make one. PYTHON=... names another one.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
  if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$python; break; fi; done)

# What needs neither a process nor a port; and the branch coverage that `make cover` asks for, per cent.
PURE := tests/unit/core tests/unit/engine tests/property
FLOOR := 95

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: $(STAMP) ## Watch the operator at work on this machine: no cluster, no account
	@$(BIN)/chainenv-sandbox demo

.PHONY: test
test: check ## Check everything, then run all tests
	@$(BIN)/chainenv-sandbox binaries >/dev/null
	@$(BIN)/python -m chainenv_sandbox.gotools >/dev/null
	$(BIN)/pytest -n 4  # most of the time each of them waits

.PHONY: unit
unit: $(STAMP) ## Run the pure tests, in seconds: the rules, tables and properties
	$(BIN)/pytest -q $(PURE)

.PHONY: cover
cover: $(STAMP) ## Branch coverage of core, engine and api by the tests that need no cluster, with a floor
	$(BIN)/coverage run -m pytest -q $(PURE) tests/unit/api tests/simulation/test_scenarios.py
	$(BIN)/coverage report --fail-under=$(FLOOR)

.PHONY: soak
soak: $(STAMP) ## Let everything go wrong at random for MINUTES=5 (SEED=... repeats what was chosen)
	@$(BIN)/chainenv-sandbox binaries >/dev/null
	SOAK_MINUTES=$(or $(MINUTES),5) SOAK_SEED=$(SEED) $(BIN)/pytest -s tests/crash/test_soak.py

.PHONY: simulate
simulate: $(STAMP) ## Play RUNS=1000 virtual days of faults from SEED=1 on: a failure prints its smallest story
	$(BIN)/python -m tests.simulation --runs $(or $(RUNS),1000) --seed $(or $(SEED),1)

.PHONY: bench
bench: $(STAMP) ## Measure speed, memory and CPU beside what is possible: ten minutes, or WHAT=storm, limit, shared, fleet, scrape, large, profile
	@$(BIN)/chainenv-sandbox binaries >/dev/null
	$(BIN)/python -m benchmarks $(WHAT)

.PHONY: check
check: $(STAMP) ## The static part: lint, format, types, import layers, generated and locked files, links
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(BIN)/chainenv crd | cmp -s - $(CRD) || { echo "$(CRD) is stale: run make generate" >&2; exit 1; }
	@test ! -e operator/__init__.py || { echo "operator/__init__.py would shadow Python's own operator: remove it" >&2; exit 1; }
	$(BIN)/python requirements/check.py
	$(BIN)/python deploy/generate.py --check
	$(BIN)/pytest --quiet -p no:cacheprovider tests/unit/test_pages.py

.PHONY: generate
generate: $(STAMP) ## Write anew the CRD from the types, and what deploy/ makes of it
	$(BIN)/chainenv crd > $(CRD).new
	mv $(CRD).new $(CRD)
	$(BIN)/python deploy/generate.py

COMPILE = $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.PHONY: lock
lock: $(STAMP) ## Take the newest allowed versions of all dependencies
	$(COMPILE) requirements/build.in -o requirements/build.txt
	$(COMPILE) pyproject.toml -c requirements/build.txt -o requirements/run.txt
	$(COMPILE) requirements/dev.in requirements/build.in pyproject.toml operator/pyproject.toml \
	  -c requirements/build.txt -c requirements/run.txt -o requirements/dev.txt
	$(COMPILE) requirements/supply.in -o requirements/supply.txt
	$(COMPILE) requirements/docs.in -o requirements/docs.txt

.PHONY: tools
tools: $(STAMP) ## Build helm, prometheus and the other tools that tests/cluster asks, once, into the user's cache
	@$(BIN)/python -m chainenv_sandbox.gotools

# What looks at the locked dependencies, and what makes the site: each in an environment of its own.
SUPPLY := build/supply
SITE := build/docs
$(SUPPLY)/.installed $(SITE)/.installed: build/%/.installed: requirements/%.txt $(STAMP)
	@$(BIN)/python -m venv --clear build/$*
	@build/$*/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/$*.txt
	@touch $@

.PHONY: sbom
sbom: $(SUPPLY)/.installed ## Write dist/sbom.cdx.json: the operator's locked dependencies (CycloneDX)
	@mkdir -p dist
	$(SUPPLY)/bin/cyclonedx-py requirements requirements/run.txt --pyproject pyproject.toml --mc-type application \
	  --output-reproducible --output-format JSON --output-file dist/sbom.cdx.json

.PHONY: audit
audit: $(SUPPLY)/.installed ## Ask for known vulnerabilities in the operator's locked dependencies
	$(SUPPLY)/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off -r requirements/run.txt

.PHONY: base
base: ## Refuse a base image that the Dockerfile does not name by its digest (a release needs it)
	@! grep -n '^FROM ' $(or $(DOCKERFILE),Dockerfile) | grep -Ev '@sha256:[0-9a-f]{64}( |$$)' || \
	  { echo "name it by digest: docker buildx imagetools inspect python:3.13-slim, then FROM python:3.13-slim@sha256:..." >&2; exit 1; }

.PHONY: docs
docs: $(SITE)/.installed ## Build the site of docs/ into build/site/
	$(BIN)/python docs/site_pages.py
	$(SITE)/bin/zensical build --clean --strict

# The time of the last commit: from the same sources comes the same wheel.
.PHONY: wheel
wheel: $(STAMP) ## Build the operator's wheel into dist/, the same from the same commit
	SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --pretty=%ct)} $(BIN)/python -m hatchling build -t wheel -d dist

.PHONY: clean
clean: ## Remove .venv and everything the tools left; the control plane's binaries stay in the user's cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .sandbox build dist
	find operator tests requirements -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements/dev.txt pyproject.toml operator/pyproject.toml
	@$(or $(PYTHON),false) -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer with venv is needed (on Debian: apt install python3-venv). Name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Installing the locked requirements into $(VENV) (once, up to a minute)"
	@test -x $(BIN)/python && $(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e . -e ./operator
	@touch $@
