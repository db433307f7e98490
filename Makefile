# make demo   see the whole story on this machine; needs Python 3.11 or newer and PyPI
# make test   set up everything that the tests need and run them
# make simulate   play whole runs on a virtual clock; SEED=7 HISTORIES=1 replays one exactly
# make mutants   break each safeguard on purpose and see the tests fail (takes a while)
# make lint   formatting, types, layers, dependencies, spelling
# make bench  measure, and write docs/performance.md
# make bench-peers  install other tools into bench/.peers and run them beside the product
# make kills  kill -9 runs at random moments: KILLS=1000 of them, SEED=... to choose the moments
# make audit  look the locked packages up among known vulnerabilities (needs the network)
# make docs   write the pages that are made from the code
# make lock   resolve the dependencies anew (needs uv)
# make clean  remove what the others made
#
# Set-up is done once: stamp files in .venv depend on the lock files.

PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13 python3.14; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo "$$python"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK := uv --no-config pip compile pyproject.toml --quiet --no-header --no-annotate \
	--universal --python-version 3.11 --generate-hashes

.PHONY: demo test simulate mutants lint bench bench-peers kills audit docs lock clean
.DELETE_ON_ERROR:

demo: $(VENV)/.demo
	@$(BIN)/python -m streamer demo

test: $(VENV)/.dev $(VENV)/.engines
	@$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=worksteal --hypothesis-profile=ci

simulate: $(VENV)/.dev
	@$(BIN)/python -m tests.simulation --seed $(or $(SEED),1) --histories $(or $(HISTORIES),300)

mutants: $(VENV)/.dev $(VENV)/.engines
	@$(BIN)/python -m tests.mutants

lint: $(VENV)/.dev
	@failed=; for linter in "ruff check ." "ruff format --check ." pyright lint-imports \
		"deptry ." codespell; do \
		echo "== $$linter"; $(BIN)/$$linter || failed="$$failed '$$linter'"; done; \
	test -z "$$failed" || { echo "make lint: failed:$$failed" >&2; exit 1; }

bench: $(VENV)/.dev $(VENV)/.engines
	@$(BIN)/python -m bench

bench-peers: $(VENV)/.dev $(VENV)/.engines
	@$(BIN)/python -m bench.peers

kills: $(VENV)/.dev $(VENV)/.engines
	@STREAMER_KILLS=$(or $(KILLS),1000) STREAMER_SEED=$(SEED) $(BIN)/python -m pytest -rP \
		--numprocesses=auto --maxprocesses=4 --dist=worksteal tests/faults/test_random_kills.py

audit: | $(BIN)/python
	@$(BIN)/python -c "import json, urllib.request as request; \
		json.load(request.urlopen('https://pypi.org/pypi/pip/24.0/json', timeout=20))['vulnerabilities']" \
		2>/dev/null || { echo "make audit: nothing was looked up: what https://pypi.org/ knows of" \
		"vulnerabilities can't be read from here" >&2; exit 1; }
	@test -x .cache/audit/bin/pip-audit || { $(PYTHON) -m venv .cache/audit \
		&& .cache/audit/bin/python -m pip --quiet install pip-audit; }
	@failed=; for lock in run build demo dev; do echo "== requirements/$$lock.lock"; \
		.cache/audit/bin/pip-audit --disable-pip --strict --require-hashes \
		--requirement requirements/$$lock.lock || failed=1; done; test -z "$$failed"

docs: $(VENV)/.dev
	@$(BIN)/python -m tests.documents.cli_page

lock:
	$(LOCK) --extra fast --output-file requirements/run.lock
	$(LOCK) --group build --output-file requirements/build.lock
	$(LOCK) --extra demo --group build --output-file requirements/demo.lock
	$(LOCK) --extra demo --group dev --output-file requirements/dev.lock

clean:
	rm -rf $(VENV) node_modules .cache .hypothesis .pytest_cache .ruff_cache .import_linter_cache

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer was found;" \
		"install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Setting up $(VENV) with $(PYTHON) ..."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "make: $(PYTHON) can't make a virtual environment; on Debian and Ubuntu:" \
		"apt install python3-venv" >&2; exit 1; }

$(VENV)/.demo: requirements/demo.lock pyproject.toml | $(BIN)/python
	@echo "Installing the packages of requirements/demo.lock ..."
	@$(PIP) install --require-hashes --requirement requirements/demo.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.lock pyproject.toml | $(BIN)/python
	@echo "Installing the packages of requirements/dev.lock ..."
	@$(PIP) install --require-hashes --requirement requirements/dev.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.demo

$(VENV)/.engines: $(VENV)/.dev package-lock.json
	@echo "Installing the D1 runtime of package-lock.json ..."
	@$(BIN)/python -m tests.engines.install
	@touch $@
