# Two commands do all the set-up on a fresh machine: `make validate` and `make test`.
# `make bench` installs the peers and runs the benchmarks, all or those named: make bench BENCH="entropy_speed limits".
# They need python3 (3.11 or newer) and make; everything is installed into .venv.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
PYTEST_OPTIONS ?=

BENCH ?=

.PHONY: validate test lint bench clean
.DELETE_ON_ERROR:

validate: .venv/installed
	$(BIN)/lemmata validate

# one thread each: the tests already run on every core
test: .venv/installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto $(PYTEST_OPTIONS)

lint: .venv/installed-test .types/lemmata
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# the rival that cannot live beside its newer self has an environment of its own
bench: .venv/installed-bench .venv-devinterp1/installed
	$(BIN)/python bench/run.py $(BENCH)

clean:
	rm -rf .venv .venv-devinterp1 .types build dist *.egg-info .coverage htmlcov .hypothesis
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Lemmata needs Python 3.11 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable .
	touch $@

.venv/installed-test: .venv/installed
	$(PIP) --editable '.[test]'
	touch $@

.venv/installed-bench: .venv/installed-test
	$(PIP) --editable '.[bench]'
	touch $@

.venv-devinterp1/installed: constraints.txt
	$(PYTHON) -m venv .venv-devinterp1
	.venv-devinterp1/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt torch
	.venv-devinterp1/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt 'devinterp==1.3.*'
	touch $@

# lets the type checkers resolve the name lemmata whatever the clone is called
.types/lemmata:
	mkdir -p .types
	ln -sfn .. .types/lemmata
