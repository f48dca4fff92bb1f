# `make demo` and `make test` are all a fresh machine needs: they build .venv from the lock first.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
CATALOG := src/hubferry/locale/zh_CN/LC_MESSAGES/hubferry.po
PYTEST := $(BIN)/python -m pytest
# tests wait more than they compute: four workers keep two cores busy
WHOLE_SUITE = $(PYTEST) -n 4 --dist worksteal -m "not nightly" --ignore tests/browser --ignore tests/on_ray --ignore tests/sign
SEEDS  ?= $(shell $(PYTHON) -c "import random; print(*random.sample(range(1000000), 10))")
MEMORY  = $(shell $(PYTHON) tests/temporary.py)
IN_MEMORY = place=$$(mktemp -d "$(MEMORY)/hubferry-tests.XXXXXX") && chmod 755 "$$place" && trap 'rm -rf "$$place"' EXIT INT TERM && export TMPDIR="$$place" &&

# An environment $(1), with what the lock $(2) names and, where $(3) says so, the project itself. uv takes seconds where pip
# takes a minute; it does not know pip's settings, so pip is asked where uv finds nothing.
INSTALL = install --quiet --no-deps
define environment
	$(PYTHON) -m venv $(1)
	$(1)/bin/python -m pip $(INSTALL) --require-hashes -r requirements-uv.lock
	$(1)/bin/uv pip $(INSTALL) --python $(1)/bin/python --require-hashes -r $(2) \
		|| { echo "uv cannot: pip takes its place, and a minute"; $(1)/bin/python -m pip $(INSTALL) --require-hashes -r $(2); }
	$(if $(3),$(1)/bin/python -m pip $(INSTALL) --no-build-isolation $(3))
	@touch $(1)/.installed
endef

.DEFAULT_GOAL := help
RAY    ?= .venv-ray
DOCS   ?= .venv-docs
SIGN   ?= .venv-sign
DIST   ?= .venv-dist
.PHONY: help demo test docs test-ray test-sign test-dist dist test-image test-pythons test-browser screenshots bench-ray bench-pages test-official test-foreign lint format bench bench-sync growth nightly shuffled mutation coverage lock locale api audit clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(STAMP): requirements.lock pyproject.toml
	$(call environment,$(VENV),requirements.lock,--editable .)

demo: $(STAMP)  ## a whole copy between two embedded hubs: no account, no internet
	@$(BIN)/hubferry demo

test: $(STAMP)  ## everything CI runs
	@$(MAKE) --no-print-directory --jobs 4 --output-sync=target lint docs test-ray test-sign test-dist test-official test-browser
	@$(IN_MEMORY) $(WHOLE_SUITE)

test-official: $(STAMP)  ## the official clients' own tests against the hub; needs a package index
	$(BIN)/python -m tests.official.run $(SUITE)

test-foreign: $(STAMP)  ## transformers and datasets through mirrors, and a mirror of a foreign mirror; needs a package index
	$(BIN)/python -m tests.official.chains $(CHAIN)

$(DIST)/.installed: requirements-dist.lock
	$(call environment,$(DIST),requirements-dist.lock)

test-pythons: $(STAMP) $(DIST)/.installed  ## unit tests under each Python from 3.10 to 3.14 that can be had, types for the others
	$(DIST)/bin/python -m tests.pythons.run $(PYTHONS)

test-dist: $(DIST)/.installed  ## sdist and wheel of what is committed: built, looked into, installed, tried; needs a package index
	$(DIST)/bin/python -m tests.dist.run

test-image: $(STAMP) $(DIST)/.installed  ## the container image, built and run read-only, where buildah can be had
	@command -v buildah >/dev/null || (test "$$(id -u)" = 0 && apt-get update -qq >/dev/null 2>&1; \
		apt-get install -y -qq --no-install-recommends buildah debootstrap >/dev/null 2>&1) || true
	$(DIST)/bin/python -m tests.image.run

dist: $(DIST)/.installed  ## sdist, wheel and hubferry as one file for this platform, in dist/, from what is committed; all tried
	rm -rf dist
	$(DIST)/bin/python -m tests.dist.run --keep dist

# Ray has no wheel for every machine; where there is none, that is said, and the other tests count.
$(RAY)/.installed: requirements-ray.lock pyproject.toml
	$(call environment,$(RAY),requirements-ray.lock,--editable .)

test-ray:  ## mirrors on a Ray cluster of three nodes, where Ray can be had
	@if $(MAKE) --no-print-directory $(RAY)/.installed; then \
		$(RAY)/bin/python -m pytest tests/on_ray; \
	else echo "test-ray is skipped: Ray cannot be installed here (requirements-ray.lock)"; fi

# Chromium and fonts come from the distribution; where there are none, that is said, and the other tests count.
$(VENV)/.browser: requirements-browser.lock $(STAMP)
	$(BIN)/python -m pip $(INSTALL) --require-hashes -r requirements-browser.lock
	@touch $@

test-browser:  ## the pages in a real browser, where Chromium can be had
	@command -v chromium >/dev/null || (test "$$(id -u)" = 0 && apt-get update -qq >/dev/null 2>&1; \
		apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null 2>&1) || true
	@if ! command -v chromium >/dev/null; then \
		echo "test-browser is skipped: there is no chromium, and it cannot be installed here (apt-get install chromium)"; \
	elif $(MAKE) --no-print-directory $(VENV)/.browser; then \
		$(PYTEST) tests/browser; \
	else echo "test-browser is skipped: Playwright cannot be installed here (requirements-browser.lock)"; fi

screenshots: $(VENV)/.browser  ## write the pictures of docs/images
	$(BIN)/python -m tests.browser.screenshots
	$(BIN)/python -m tests.browser.ui_screenshots

# model-signing brings twenty packages of its own, which nobody else needs.
$(SIGN)/.installed: requirements-sign.lock pyproject.toml
	$(call environment,$(SIGN),requirements-sign.lock,--editable .)

test-sign:  ## signatures by model-signing, where that can be had
	@if $(MAKE) --no-print-directory $(SIGN)/.installed; then \
		$(SIGN)/bin/python -m pytest tests/sign; \
	else echo "test-sign is skipped: model-signing cannot be installed here (requirements-sign.lock)"; fi

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

bench-pages: $(STAMP)  ## the hub's pages over 10,000 repositories and 60,000 files
	$(BIN)/python -m benchmarks.pages $(BENCH)

growth: $(STAMP)  ## how the time grows with files and models
	$(BIN)/python -m benchmarks.growth $(GROWTH)

bench-sync: $(STAMP)  ## a nightly run of many repositories in which nothing has changed
	$(BIN)/python -m benchmarks.sync_many $(BENCH)

nightly: $(STAMP)  ## the long campaigns
	$(PYTEST) -m nightly

shuffled: $(STAMP)  ## the tests in ten random orders, or in that of SEEDS="1 2"
	@$(IN_MEMORY) failed=; for seed in $(SEEDS); do \
		$(WHOLE_SUITE) --random-order --random-order-seed=$$seed || failed="$$failed $$seed"; \
	done; test -z "$$failed" || { echo "failed in the orders of$$failed"; exit 1; }

coverage: $(STAMP)  ## branch coverage of the test suite
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2 --dist worksteal -m "not nightly" --ignore tests/browser \
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

# The site has tools of its own, in an environment of its own: nothing else needs them.
$(DOCS)/.installed: docs/requirements.lock
	$(call environment,$(DOCS),docs/requirements.lock)

docs: $(STAMP) $(DOCS)/.installed  ## the documentation as one site, in site/; a link that leads nowhere fails
	$(BIN)/python docs/help_pages.py
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict --quiet

api: $(STAMP)  ## write docs/api.md from the docstrings
	$(BIN)/python docs/reference.py

lock: $(STAMP)  ## pin every dependency anew
	$(BIN)/uv pip compile pyproject.toml --group test --group lint --group build --group bench --group mutation --universal --python-version 3.10 \
		--generate-hashes --no-annotate --no-header --quiet --output-file requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra ray --group test --group build --constraint requirements.lock --universal \
		--python-version 3.10 --generate-hashes --no-annotate --no-header --quiet --output-file requirements-ray.lock
	$(BIN)/uv pip compile pyproject.toml --extra sign --group test --group build --constraint requirements.lock --universal \
		--python-version 3.10 --generate-hashes --no-annotate --no-header --quiet --output-file requirements-sign.lock
	$(BIN)/uv pip compile pyproject.toml --group build --constraint requirements.lock --universal --python-version 3.10 \
		--generate-hashes --no-annotate --no-header --quiet --output-file deploy/requirements.lock
	$(BIN)/uv pip compile --group dist --group build --constraint requirements.lock --universal --python-version 3.10 \
		--generate-hashes --no-annotate --no-header --quiet --output-file requirements-dist.lock
	$(BIN)/uv pip compile --group docs --universal --python-version 3.10 \
		--generate-hashes --no-annotate --no-header --quiet --output-file docs/requirements.lock
	$(BIN)/uv pip compile --group uv --universal --python-version 3.10 \
		--generate-hashes --no-annotate --no-header --quiet --output-file requirements-uv.lock
	$(BIN)/uv pip compile --group browser --constraint requirements.lock --universal --python-version 3.10 \
		--generate-hashes --no-annotate --no-header --quiet --output-file requirements-browser.lock

audit: $(STAMP)  ## known vulnerabilities in the locked dependencies
	$(BIN)/pip-audit --require-hashes --disable-pip -r requirements.lock

clean:  ## remove what the targets created
	rm -rf $(VENV) $(RAY) $(DOCS) $(SIGN) $(DIST) dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis mutants .official .coverage*
