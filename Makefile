# The two commands of the README, and the checks. Needs make and Python >= 3.11; everything else goes into .venv.
#   make demo PYTHON=python3.12     another Python
#   make test ARGS="-m 'not slow'"  further arguments of pytest (or of dabench demo)

PYTHON ?= python3
ARGS ?=
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: demo test check format help

demo: $(VENV)/.installed-demo ## sweep the embedded suite and write the leaderboard (no download of images)
	$(VENV)/bin/dabench demo $(ARGS)

test: $(VENV)/.installed-test ## run every test
	$(VENV)/bin/pytest $(ARGS)

check: $(VENV)/.installed-dev ## formatting, lint and types
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

format: $(VENV)/.installed-dev ## put files into the form that 'make check' asks for
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# pip is the last thing that venv puts into place, so a half-made environment is made again.
$(VENV)/bin/pip:
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { \
	  echo "dabench needs Python >= 3.11, and there is no '$(PYTHON)' here." >&2; \
	  echo "On Debian: apt-get install python3 python3-venv. Another Python: make PYTHON=/path/to/python3" >&2; \
	  exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "dabench needs Python >= 3.11, and '$(PYTHON)' is $$("$(PYTHON)" --version 2>&1)." >&2; \
	  echo "Name a newer one: make PYTHON=/path/to/python3" >&2; \
	  exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make a virtual environment: its venv and ensurepip modules are missing." >&2; \
	  echo "On Debian they are in a package of their own: apt-get install python3-venv" >&2; \
	  exit 1; }
	"$(PYTHON)" -m venv $(VENV)

# Stamps: an installation is repeated when pyproject.toml is newer. A larger one includes the smaller ones.
$(VENV)/.installed-demo: pyproject.toml | $(VENV)/bin/pip
	@echo "Installing dabench into $(VENV). The first time takes some minutes: PyTorch is large."
	$(PIP) install -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/pip
	@echo "Installing dabench and what its tests need into $(VENV). The first time takes some minutes."
	$(PIP) install -e '.[test]'
	@touch $(VENV)/.installed-demo $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/pip
	@echo "Installing dabench, its tests and its checks into $(VENV). The first time takes some minutes."
	$(PIP) install -e '.[dev]'
	@touch $(VENV)/.installed-demo $(VENV)/.installed-test $@
