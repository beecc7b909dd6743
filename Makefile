# make run | test | lint | bench | reference | settings: each creates .venv, installs what it needs and runs. PYTHON= chooses the interpreter.
PYTHON ?= python3
WORKDIR ?= results/digits
ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# uv takes a quarter of pip's time; pip is the fallback if uv cannot reach the packages.
UV := $(BIN)/uv pip install --quiet --native-tls --python $(BIN)/python
install = $(PIP) uv && ( $(UV) --editable $(1) || $(PIP) --editable $(1) )
# The package in its installed layout, with experiments and configs inside: mypy cannot read the map of an editable installation.
LAID_OUT := build/laid-out
AS_COMPILED := $(addprefix tests/,engine ensemble interventions measures tangents)
CORE := $(addprefix tests/,core engine ensemble interventions measures tangents training perturbations symmetry lyapunov \
	derivatives observables analysis theory)

.PHONY: run test test-slow test-oldest lint bench reference settings clean

run: .venv/installed
	$(BIN)/python -m experiments.main --config=configs/digits.py --workdir=$(WORKDIR) $(ARGS)

test: .venv/installed-test
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

# The slow tests, and the engine's tests compiled as for users.
test-slow: .venv/installed-test
	PATHJAX_TEST_COMPILE=well $(BIN)/python -m pytest -n 2 --dist worksteal -o faulthandler_timeout=3600 -m slow
	PATHJAX_TEST_COMPILE=well $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" $(AS_COMPILED)

# Tests of the core with the lowest versions that setup.py allows.
test-oldest: .venv-oldest/installed
	.venv-oldest/bin/python -m pytest -n 2 --dist worksteal -m "not slow" $(CORE)

lint: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf $(LAID_OUT) && mkdir -p $(LAID_OUT)/pathjax
	ln -s $(CURDIR)/pathjax/* $(CURDIR)/experiments $(CURDIR)/configs $(LAID_OUT)/pathjax
	cd $(LAID_OUT) && $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml --package pathjax

bench: .venv/installed-bench
	$(BIN)/python -m experiments.benchmarks $(ARGS)

reference: .venv/installed-test
	$(BIN)/python -m experiments.reference --write docs/lyapunov.md

settings: .venv/installed
	$(BIN)/python -m experiments.runner.settings.reference --write docs/settings.md

clean:
	rm -rf .venv .venv-oldest build

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "pathjax needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

.venv/installed: setup.py | .venv/bin/python
	$(call install,.)
	touch $@

.venv-oldest/installed: setup.py
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv-oldest/bin/uv pip install --quiet --native-tls --python .venv-oldest/bin/python \
		--resolution lowest-direct --editable '.[test]'
	touch $@

.venv/installed-bench: .venv/installed-test
	$(PIP) --editable '.[bench]'
	touch $@

.venv/installed-test: setup.py | .venv/bin/python
	$(call install,'.[test]')
	touch .venv/installed $@
