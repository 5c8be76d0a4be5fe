# Each target makes the environment it needs below .venv/ and nothing outside this folder.
# `make PYTHON=python3.12 test` takes another Python. pip's own settings apply: on Linux without a GPU,
# PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu spares the download of CUDA.

PYTHON ?= python3
export PIP_DISABLE_PIP_VERSION_CHECK = 1

PINNED := pyproject.toml constraints.txt
SOURCES := $(shell find fer_gym agents -name '*.py' -o -name '*.jinja' -o -name py.typed) README.md LICENSE

# The demo's environment holds the wheel and what the demo needs, so that a missing dependency shows.
DEMO := .venv/demo
# The others share one, in which the package is editable.
DEV := .venv/dev

.DELETE_ON_ERROR:
.PHONY: help demo test lint docs bench fuzz kills coverage mutants clients clean

help: ## Show this help.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-8s %s\n", $$1, $$2 }' Makefile

demo: $(DEMO)/installed ## Run the quick benchmark on the embedded faces, or go on with it; see results/quick.
	$(DEMO)/bin/fer-gym benchmark --suite quick --out results/quick --resume --workers 2

test: $(DEV)/installed ## Run the tests, of which most have networks too small for two threads.
	SDL_VIDEODRIVER=dummy OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(DEV)/bin/python -m pytest

lint: $(DEV)/installed ## Check style, format and types.
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/mypy

docs: $(DEV)/installed ## Build the documentation into docs/_build; a warning is an error, and a link that leads nowhere.
	rm -rf docs/_build/html/_modules  # Sphinx does not see that a page of source code lacks a new object
	$(DEV)/bin/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	$(DEV)/bin/python docs/check_links.py
	@echo "open docs/_build/html/index.html"

fuzz: $(DEV)/installed ## Damage 100,000 inputs of every format; an hour and a half of a core.
	$(DEV)/bin/python tests/fuzz/run.py

kills: $(DEV)/installed ## Kill 50 runs, go on, and compare the ends; a quarter of an hour.
	$(DEV)/bin/python tests/fuzz/kills.py

coverage: $(DEV)/installed ## Run the tests, and say which lines and branches none of them runs.
	SDL_VIDEODRIVER=dummy $(DEV)/bin/python -m coverage run -m pytest
	$(DEV)/bin/python -m coverage combine -q
	$(DEV)/bin/python -m coverage report -m

mutants: $(DEV)/installed ## Change rewards, metrics, noise, credits and statistics, and see that a test fails; half an hour.
	$(DEV)/bin/python -m pip install -q mutmut==3.8.1
	$(DEV)/bin/python tests/fuzz/mutants.py

clients: $(DEV)/installed ## Try the libraries of RL, each in an environment of its own, and Ray; half an hour, 12 GB.
	$(DEV)/bin/python tests/clients/run_all.py
	.venv/clients/rllib/bin/python -m pytest tests/run/test_ray.py

bench: $(DEV)/installed ## Measure speed: every tests/benchmarks/bench_*.py, into one table.
	$(DEV)/bin/python tests/benchmarks/run_all.py

clean: ## Remove the environments and what was built; results/ stays.
	rm -rf .venv build dist docs/_build docs/_generated .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*

# The wheel is built anew when the sources change, its dependencies are not installed again.
$(DEMO)/installed: $(DEMO)/dependencies $(SOURCES)
	$(DEMO)/bin/python -m pip install -q --no-deps --force-reinstall .
	touch $@

$(DEMO)/dependencies: $(PINNED)
	$(call new_environment,$(DEMO))
	$(DEMO)/bin/python -m pip install -q -c constraints.txt ".[benchmark]"
	touch $@

$(DEV)/installed: $(PINNED)
	$(call new_environment,$(DEV))
	$(DEV)/bin/python -m pip install -q -c constraints.txt -e ".[dev,docs]"
	touch $@

define new_environment
@$(PYTHON) -c 'import sys; sys.exit("fer-gym needs Python 3.11 or later: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
rm -rf $(1)
$(PYTHON) -m venv $(1)
endef
