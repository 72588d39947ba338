# climdiff on a fresh machine: only Python (>= 3.11), git and make are needed.
#   make demo    train, generate, verify and report on the embedded world
#   make test    linters, types, import contracts and all tests
# Another interpreter: make demo PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/climdiff-installed

.DEFAULT_GOAL := help
.PHONY: help install demo test lint bench bench-quick clean

help:
	@echo "make install      make .venv and install climdiff in it; the others do so, too"
	@echo "make demo         train, generate, verify and report on the embedded world (recipes/precip.yaml)"
	@echo "make test         linters, types, import contracts and all tests"
	@echo "make lint         the same without the tests"
	@echo "make bench        speed and memory beside other libraries, most of an hour; rewrites docs/benchmarks.*"
	@echo "make bench-quick  the small network and the scores: three minutes of idle cores; writes nothing"
	@echo "make clean        remove caches and build leftovers; keeps .venv and everything in runs/"

install: $(STAMP)

# Set up once; again only when what is to be installed has changed.
$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "climdiff needs Python 3.11 or newer; '$(PYTHON)' was not found." \
	  "Fix: install Python, or name yours: make PYTHON=python3.12." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "climdiff needs Python 3.11 or newer;" \
	  "'$(PYTHON)' is $$($(PYTHON) --version 2>&1). Fix: name a newer one: make PYTHON=python3.12." >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) || { echo "$(VENV) could not be made." \
	  "Fix: install Python's venv module (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(STAMP)
	$(BIN)/climdiff run recipes/precip.yaml

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# One thread for each of the two workers: OpenMP teams that share cores wait for each other.
test: lint
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal

# denoising-diffusion-pytorch asks for torchvision, of which there is no build for every CPU build of torch; its network does not.
$(VENV)/climdiff-peers: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps denoising-diffusion-pytorch==2.3.4
	@touch $@

bench: $(VENV)/climdiff-peers
	$(BIN)/python tests/benchmarks/run.py

bench-quick: $(VENV)/climdiff-peers
	$(BIN)/python tests/benchmarks/run.py --quick

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis docs/_build
	find climdiff tests -type d -name __pycache__ -prune -exec rm -rf {} +
