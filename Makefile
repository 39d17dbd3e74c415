# make run    everything set up, a real Asterisk beside the agent, live
# make test   everything set up, every check
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
# tests at once; those on a real Asterisk mostly wait for people to talk
JOBS ?= 2
ASTERISKS ?= 4
BIN := $(VENV)/bin
CONFIG ?= $(wildcard agent.toml)
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/telephony-agent
export PATH := $(CURDIR)/$(BIN):$(CACHE)/tools:$(PATH)
export PYTHONDONTWRITEBYTECODE := 1
export HYPOTHESIS_STORAGE_DIRECTORY := $(CACHE)/hypothesis

.PHONY: help setup run test lint types contracts unit asterisk bench torture provision tools audit lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

setup: $(VENV)/.ready ## the virtual environment, from requirements.lock

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; $$($(PYTHON) --version) is here. Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo "making the virtual environment .venv (about a minute)"
	@$(PYTHON) -m venv --clear $(VENV) >/dev/null 2>&1 || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing python3-venv, which Debian and Ubuntu leave out"; \
	    apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null; \
	    $(PYTHON) -m venv --clear $(VENV); \
	  else echo "Python has no venv module: sudo apt-get install python3-venv"; exit 1; fi; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(VENV)/.ready ## the agent beside a real Asterisk with demonstration traffic; with agent.toml (or CONFIG=...) beside your own
ifneq ($(CONFIG),)
	@echo "running beside your own PBX, as $(CONFIG) says; Ctrl-C ends it"
	@exec telephony-agent run --config $(CONFIG)
else
	@exec python -m tests.lab.demo
endif

test: lint types contracts unit asterisk ## every check

lint: $(VENV)/.ready ## style and mistakes
	ruff format --check .
	ruff check .

types: $(VENV)/.ready ## mypy --strict
	mypy

contracts: $(VENV)/.ready ## imports point one way
	lint-imports

unit: $(VENV)/.ready tools ## everything that needs no Asterisk
	pytest -m "not asterisk" -n $(JOBS)

asterisk: $(VENV)/.ready provision ## from SIP on the wire to the stored row, on Asterisk 22 and 16
	pytest -m asterisk -n $(ASTERISKS)

bench: $(VENV)/.ready provision ## figures, one JSON object a line, then a table, in some two hours (CALLS=200: in a quarter of one); ONLY=emergency CALLS=2000 (or call, fail_open, failover, unasked, grant, seal, locks, purge, history, growth, contacts, sizes, wire)
	@python -m tests.bench $(ONLY) $(if $(CALLS),--calls $(CALLS))

torture: $(VENV)/.ready provision ## faults at random for SECONDS=1800; ONLY=part, SEED=, RESUME=1, ROUND=
	@python -m tests.torture $(ONLY) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED)) \
	  $(if $(RESUME),--resume) $(if $(ROUND),--round $(ROUND))

provision: $(VENV)/.ready ## Asterisk 22 and 16 in the user's cache folder
	@python -m tests.lab.provision 22 16

tools: $(VENV)/.ready ## promtool, prometheus and alertmanager in the user's cache folder
	@python -m tests.lab.tools $(CACHE)/tools

audit: $(VENV)/.ready ## what is known to be wrong with the libraries of requirements.lock; asks PyPI, and fails where that cannot tell
	$(PYTHON) -m venv --clear $(CACHE)/audit
	$(CACHE)/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(CACHE)/audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.lock

lock: $(VENV)/.ready ## requirements.lock anew from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-header --quiet --upgrade -o requirements.lock

clean: ## removes what setup made here; the cache folder stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info
