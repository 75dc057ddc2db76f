# Fresh Debian 12 with python3, make and git: `make run` does the rest.
# Needs a shell, not more; every target may be run again.

PYTHON := .venv/bin/python
DEMO   := demo-county
DRAW    = /usr/bin/python3 gis_layers/render_picture.py $(DEMO)/out/diqi-gpkg.qgz

.DEFAULT_GOAL := help
.PHONY: help setup run bench test test-unit test-clients client-packages styles docs picture lint lock wheel-check clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

setup: ## install what is missing: PostGIS from the distribution, .venv from the lock
	@sh docker/install-system-packages.sh base
	@sh docker/make-environment.sh

run: setup ## make the invented county in demo-county/, load it, run it, print the result
	.venv/bin/diqi demo $(DEMO)

bench: setup ## measure against GeoPandas, ogr2ogr and to_postgis; ARGS="--scale 1"
	@sh docker/install-system-packages.sh bench
	$(PYTHON) tests/bench/bench.py $(ARGS)
	$(PYTHON) tests/bench/bench_linking.py $(filter --short,$(ARGS))
	$(PYTHON) tests/bench/bench_rules.py $(filter --short,$(ARGS))

test: setup client-packages ## all tests, with real PostGIS and real QGIS
	$(PYTHON) -m pytest

test-unit: setup ## the tests without a database
	$(PYTHON) -m pytest tests/unit

test-clients: setup client-packages ## the tests with real client programs
	$(PYTHON) -m pytest tests/clients

client-packages:
	@sh docker/install-system-packages.sh clients || { \
	  test -z "$(CI)" || exit 1; echo "The client tests will be skipped."; }

styles: client-packages ## write the QGIS styles and the project template anew
	/usr/bin/python3 gis_layers/build_styles.py

docs: setup ## write the reference pages anew
	$(PYTHON) docs/reference/build.py

picture: run client-packages ## draw the pictures of README and tutorial: a new demo-county, first day
	$(DRAW) Coverage docs/images/county.png
	$(DRAW) Coverage docs/images/land.png 青岚高新技术产业区

lint: setup ## ruff, mypy, sqlfluff, and no address in the lock
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy --strict pipeline
	@if [ -d sql ]; then echo "$(PYTHON) -m sqlfluff lint sql"; $(PYTHON) -m sqlfluff lint sql; fi
	@if grep -nE '://|^ *(-i|--index|--extra-index|--find-links)' requirements.lock; then \
	  echo "requirements.lock must hold versions and hashes only"; exit 1; fi

lock: setup ## write requirements.lock anew (uv is fetched for this alone)
	python3 -m venv .venv/lock
	.venv/lock/bin/python -m pip install --quiet uv
	.venv/lock/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --all-extras \
	  --only-binary :all: --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --no-annotate --quiet --upgrade --output-file requirements.lock
	rm -rf .venv/lock

wheel-check: setup ## build the wheel, install it elsewhere, let it check itself
	bash .ci/wheel-check

clean: ## stop and delete the demo county, its server, .venv and all caches
	@if [ -d $(DEMO) ] && [ -x $(PYTHON) ]; then \
	  $(PYTHON) -c 'import pathlib, pipeline.server as s; s.PrivateServer(pathlib.Path("$(DEMO)")).remove()'; fi
	rm -rf $(DEMO) .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
