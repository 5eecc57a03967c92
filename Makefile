# make run: the window on the bundled silicon data, training. make test: every check. make help: the rest.
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
THREADS ?= 2

MINUTES ?= 10
SEED ?= 0

.PHONY: help run test test-foreign gpu-check gpu-pack soak soak-all lint docs bench demo paper screenshots install compile clean system system-tests

help:
	@echo "make run          open the window on the bundled silicon data and train"
	@echo "make demo         the same path without a window: figures and report.json in out/demo"
	@echo "make paper        every claim of the paper with our numbers: out/paper and docs/paper.md (QUICK=--quick)"
	@echo "make test         lint, type check, documentation and all tests, on a virtual display where there is none"
	@echo "make bench        the benchmark table (as JSON too where BENCH_JSON names a file)"
	@echo "make gpu-check    tests, training and evaluation on a graphics card beside the processor (PACKED=FOLDER)"
	@echo "make gpu-pack     what a machine with only torch, numba, scipy and scikit-learn lacks for it: build/gpu"
	@echo "make soak         attacks for MINUTES=10 with SEED=0: damaged files, kills, full disks, a monkey; a table"
	@echo "make soak-all     two soaks, more mutants, kills and monkeys, 200 openings, 100,000 epochs: out/soak.md (1.5 h)"
	@echo "make test-foreign potentials of others, each in an environment of its own under build/foreign (downloads)"
	@echo "make lint         ruff, import-linter and pyright"
	@echo "make docs         the documentation as a site: out/site/index.html"
	@echo "make screenshots  drive the real window and write docs/images"

system:
	@test -n "$(PYTHON)" || { echo "Eatlas needs Python 3.11 or newer: install it, or name it with make PYTHON=..."; exit 1; }
	@$(PYTHON) tools/system_libraries.py

system-tests:
	@test -n "$(PYTHON)" || { echo "Eatlas needs Python 3.11 or newer: install it, or name it with make PYTHON=..."; exit 1; }
	@$(PYTHON) tools/system_libraries.py --tests

# torch first: pip then takes the CPU build where this machine offers one, and the rest fits itself to it.
$(STAMP): pyproject.toml
	@test -x $(BIN)/python && $(BIN)/python -m pip --version >/dev/null 2>&1 || { rm -rf $(VENV); $(PYTHON) -m venv $(VENV); }
	$(BIN)/python -m pip install -q --disable-pip-version-check "torch==2.13.0"
	$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[dev]"
	@touch $@

install: system $(STAMP)

# Seconds when nothing has changed; a minute after an installation.
compile: $(STAMP)
	@$(BIN)/python -m nnpcore.cli.warm_up

run: install compile
	@$(BIN)/eatlas --example --train

demo: compile
	@$(BIN)/eatlas demo --headless -o out/demo --overwrite

paper: compile
	@$(BIN)/eatlas paper all -o out/paper --docs docs --threads $(THREADS) $(QUICK)

# On the machine with the card, which may have nothing installed but the large packages.
gpu-check:
	@PYTHONPATH=$(PACKED) $(PYTHON) benchmarks/gpu_check.py

gpu-pack: $(STAMP)
	@$(BIN)/python benchmarks/gpu_check.py --pack build/gpu && du -sh build/gpu

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/pyright --pythonpath $(BIN)/python

# Strict: a link that leads nowhere or a docstring that cannot be set is an error.
docs: $(STAMP)
	$(BIN)/python -m sphinx -q -W --keep-going docs out/site

test: system-tests $(STAMP) lint docs compile
	$(BIN)/python -m pytest

# Not a part of make test, which runs a short slice of it.
soak: system-tests compile
	@PYTHONPATH=tests:. $(BIN)/python -m soak --minutes $(MINUTES) --seed $(SEED)

soak-all: system-tests compile
	@mkdir -p out
	@PYTHONPATH=tests:. $(BIN)/python -m soak.whole out/soak.md --seed $(SEED)

# Not a part of make test: it installs CHGNet, SevenNet, MACE, NEP, DeePMD and ORB, each on its own: 8 GB.
test-foreign: $(STAMP) compile
	$(BIN)/python tools/foreign_potentials.py build/foreign --picture build/foreign/silicon.png

bench: system-tests compile
	@$(BIN)/python benchmarks/run.py --threads $(THREADS)

screenshots: system-tests compile
	$(BIN)/python tools/screenshots.py

clean:
	rm -rf $(VENV) build dist *.egg-info out .pytest_cache .ruff_cache .import_linter_cache
