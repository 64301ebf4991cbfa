# `make demo` shows it, `make test` proves it. Everything is kept under .venv and .cache; nothing else is touched, except that
# as root on Debian the missing of python3-venv, Java 17 and Maven are installed.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

UV_VERSION := 0.13.9
UV := .cache/uv/bin/uv
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: help install demo test lint format campaign bench coverage-matrix java kafka-jars clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##/make \1 -/p' $(MAKEFILE_LIST)

install: $(INSTALLED)  ## .venv/bin/stockwire works

demo: install $(if $(filter real,$(KAFKA)),kafka-jars)  ## the live picture (KAFKA=real for Apache Kafka)
	$(BIN)/stockwire demo $(if $(KAFKA),--kafka $(KAFKA))

test: lint kafka-jars  ## lint, types, imports, and all tests but the long campaigns
	$(BIN)/pytest -m "not campaign"

lint: install  ## ruff, mypy, the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install  ## format, and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

campaign: install kafka-jars  ## the long ones: full budgets of the models, all seeds of kills
	$(BIN)/pytest -m campaign

bench: install kafka-jars  ## tables of our rates beside those of others
	$(BIN)/stockwire bench

coverage-matrix: install  ## which requirement is shown by which test
	@$(BIN)/python tests/coverage_matrix.py

clean:  ## forget everything that was installed or made here
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml uv.lock | $(UV)
	$(UV) sync --frozen --quiet --python "$$(cat .cache/python)"
	touch $@

# The first Python of 3.11 or later that runs; some names on PATH are only shims.
.cache/python:
	@mkdir -p .cache
	@for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	  if path=$$("$$name" -c 'import sys; assert (3, 11) <= sys.version_info < (3, 15); print(sys.executable)' 2>/dev/null); then \
	    echo "$$path" > $@; exit 0; fi; done; \
	echo "Python 3.11 or later is needed, and none was found on PATH" >&2; exit 1

$(UV): | .cache/python
	@python=$$(cat .cache/python); \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then $(call apt,python3-venv); fi; \
	"$$python" -m venv --clear .cache/uv; \
	.cache/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# Java and Maven carry the real broker. Without them, and not root, the tests say that they miss a broker.
java:
	@if [ -z "$${KAFKA_BOOTSTRAP:-}" ] && ! { command -v java && command -v mvn; } >/dev/null; then \
	  $(call apt,openjdk-17-jre-headless maven) || echo "no Java 17 and Maven: set KAFKA_BOOTSTRAP, or install both" >&2; fi

kafka-jars: install java
	@if [ -z "$${KAFKA_BOOTSTRAP:-}" ] && { command -v java && command -v mvn; } >/dev/null; then \
	  $(BIN)/python -c 'from streams.broker.jars import jars; jars()'; fi

apt = { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(1) >/dev/null; }
