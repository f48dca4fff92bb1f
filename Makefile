# `make demo` and `make test` are all a fresh machine needs: they build .venv from the lock first.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
CATALOG := src/hubferry/locale/zh_CN/LC_MESSAGES/hubferry.po
PYTEST := $(BIN)/python -m pytest
MEMORY  = $(shell $(PYTHON) tests/temporary.py)
IN_MEMORY = place=$$(mktemp -d "$(MEMORY)/hubferry-tests.XXXXXX") && chmod 755 "$$place" && trap 'rm -rf "$$place"' EXIT INT TERM && TMPDIR="$$place"

.DEFAULT_GOAL := help
RAY    ?= .venv-ray
.PHONY: help demo test test-ray bench-ray test-official lint format bench bench-sync growth nightly mutation coverage lock locale api audit clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP)  ## a whole copy between two embedded hubs: no account, no internet
	@$(BIN)/hubferry demo

test: lint test-ray test-official  ## everything CI runs
	$(PYTEST) -n 2 --dist worksteal -m "not nightly"

test-official: $(STAMP)  ## the official clients' own tests against the hub; needs a package index
	$(BIN)/python -m tests.official.run $(SUITE)

# Ray has no wheel for every machine; where there is none, that is said, and the other tests count.
$(RAY)/.installed: requirements-ray.lock pyproject.toml
	$(PYTHON) -m venv $(RAY)
	$(RAY)/bin/python -m pip install --quiet --no-deps --require-hashes -r requirements-ray.lock
	$(RAY)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

test-ray:  ## mirrors on a Ray cluster of three nodes, where Ray can be had
	@if $(MAKE) --no-print-directory $(RAY)/.installed; then \
		$(RAY)/bin/python -m pytest tests/on_ray; \
	else echo "test-ray is skipped: Ray cannot be installed here (requirements-ray.lock)"; fi

bench-ray: $(RAY)/.installed  ## one large repository on one and on four nodes
	$(RAY)/bin/python -m benchmarks.ray_split $(BENCH)

lint: $(STAMP)  ## ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(STAMP)  ## rewrite the sources in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## hubferry against the others, on shaped links
	@command -v /usr/sbin/nginx nginx >/dev/null || (apt-get install -y --no-install-recommends nginx-light >/dev/null 2>&1 \
		|| echo "nginx-light cannot be installed here: nothing is measured over TLS")
	$(BIN)/python -m benchmarks.copy_bench $(BENCH)

bench-mirror: $(STAMP)  ## a mirror against nginx, and against upstream itself
	$(BIN)/python -m benchmarks.mirror $(BENCH)

growth: $(STAMP)  ## how the time grows with files and models
	$(BIN)/python -m benchmarks.growth $(GROWTH)

bench-sync: $(STAMP)  ## a nightly run of many repositories in which nothing has changed
	$(BIN)/python -m benchmarks.sync_many $(BENCH)

nightly: $(STAMP)  ## the long campaigns
	$(PYTEST) -m nightly

coverage: $(STAMP)  ## branch coverage of the test suite
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2 --dist worksteal -m "not nightly" \
		-W "ignore:Exception ignored in thread:pytest.PytestUnraisableExceptionWarning"  # a tracer's race in CPython 3.11
	$(BIN)/coverage combine --quiet && $(BIN)/coverage report

mutation: $(STAMP)  ## do the unit tests notice when the core is changed?
	rm -rf mutants  # what an older run left, or half of one, would be taken for this one's answers
	@$(IN_MEMORY) $(BIN)/mutmut run --max-children 2
	@$(BIN)/python -m tests.mutation.score

locale: $(STAMP)  ## take new sentences into the Chinese catalog and compile it
	$(BIN)/pybabel -q extract -F babel.cfg --omit-header --no-location --sort-output --no-default-keywords \
		-k _ -k ngettext:1,2 -k N_:1,2,3t -k N_:1,1t -o $(VENV)/hubferry.pot src/hubferry scripts transfer_flux_dev.py
	$(BIN)/pybabel -q update -D hubferry -i $(VENV)/hubferry.pot -d src/hubferry/locale -l zh_CN \
		--no-fuzzy-matching --ignore-obsolete --no-wrap --ignore-pot-creation-date
	@sed -i.before -E '/^"(Report-Msgid|POT-Creation|PO-Revision|Last-Translator|Language-Team|Generated)/d' $(CATALOG)
	@rm $(CATALOG).before
	$(BIN)/pybabel -q compile -D hubferry -d src/hubferry/locale -l zh_CN

api: $(STAMP)  ## write docs/api.md from the docstrings
	$(BIN)/python docs/reference.py

lock:  ## pin every dependency anew (needs uv)
	uv pip compile pyproject.toml --group test --group lint --group build --group bench --group mutation --universal --python-version 3.10 \
		--generate-hashes --no-annotate --no-header --quiet --output-file requirements.lock
	uv pip compile pyproject.toml --extra ray --group test --group build --constraint requirements.lock --universal \
		--python-version 3.10 --generate-hashes --no-annotate --no-header --quiet --output-file requirements-ray.lock
	uv pip compile pyproject.toml --group build --constraint requirements.lock --universal --python-version 3.10 \
		--generate-hashes --no-annotate --no-header --quiet --output-file deploy/requirements.lock

audit: $(STAMP)  ## known vulnerabilities in the locked dependencies
	$(BIN)/pip-audit --require-hashes --disable-pip -r requirements.lock

clean:  ## remove what the targets created
	rm -rf $(VENV) $(RAY) .mypy_cache .ruff_cache .pytest_cache .hypothesis mutants .official .coverage*
