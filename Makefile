# One command shows it, one tests it; each does its own set-up. `make help` lists all.

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PARALLEL = -n $(JOBS) --dist loadfile
ARGS ?=
PYTEST_ARGS ?=
# Files of tests at once: as many as there are CPUs.
JOBS ?= logical

.DEFAULT_GOAL := help
.PHONY: help demo env test lint unit service stack gpu matrix dashboards-preview lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## the example under traffic, and what of it arrived; STACK=1: on the real servers; ARGS=--exit
	@$(BIN)/bento-observe demo $(if $(STACK),--stack) $(ARGS)

env: $(VENV)/.demo ## passwords for collector/docker-compose.yaml, into collector/.env
	@$(BIN)/bento-observe stack env

test: lint unit service stack ## everything: lint, types, and all tests, those on the real servers included

lint: $(VENV)/.test ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(VENV)/.test ## tests that start no service
	$(BIN)/python -m pytest tests/unit $(PARALLEL) $(PYTEST_ARGS)

service: $(VENV)/.test ## tests over `bentoml serve`
	$(BIN)/python -m pytest tests/service $(PARALLEL) $(PYTEST_ARGS)

stack: $(VENV)/.test ## tests over the real servers, which are built the first time
	$(BIN)/python -m pytest tests/stack $(PARALLEL) $(PYTEST_ARGS)

gpu: $(VENV)/.test ## tests on an NVIDIA GPU, where VENV has PyTorch; not part of `test`
	$(BIN)/python -m pytest tests/gpu $(PYTEST_ARGS)

matrix: $(VENV)/.test ## the oldest and the newest BentoML, on Python 3.10, 3.12 and 3.13 where there are; ARGS=oldest: one of them
	$(BIN)/python tests/matrix/matrix.py $(ARGS)

dashboards-preview: $(VENV)/.test ## pictures of the Grafana dashboards, from the real servers under traffic: docs/dashboards
	@$(BIN)/python -m collector.grafana.preview $(ARGS)

lock: $(VENV)/.test ## requirements.lock anew, for every Python from 3.10 on
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.10 --all-extras --upgrade --no-emit-index-url \
		--no-annotate --no-header --quiet pyproject.toml --output-file requirements.lock.new
	@{ sed '/^[^#]/,$$d' requirements.lock; cat requirements.lock.new; } > requirements.lock.tmp
	@rm requirements.lock.new && mv requirements.lock.tmp requirements.lock

clean: ## removes the virtual environment and all that was made here
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache build dist *.egg-info bento_observe/features/*.so bento_observe/features/*.pyd

# The environments, made once and again only when what goes into them changes.
INSTALLED := pyproject.toml requirements.lock setup.py bento_observe/features/_kernel.c

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "$(PYTHON) is too old: Python 3.10 or newer is needed; make PYTHON=/path/to/python3 chooses one" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) has no venv: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(INSTALLED) | $(BIN)/python
	$(call install,dev$(comma)example)

$(VENV)/.test: $(INSTALLED) | $(BIN)/python
	$(call install,dev$(comma)example$(comma)bench$(comma)docs$(comma)test)
	@touch $(VENV)/.demo

comma := ,
define install
@echo "Installing into $(VENV) (once; a minute or two) ..."
@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[$(1)]'
@touch $@
endef
