# The commands of the project. Each sets up what it needs; nothing but Python 3.11 to 3.13 and make comes before them.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run demo doctor test test-unit check format bench bench-api bench-embed bench-store faults fuzz soak package deploy lock clean soak-embed mutants soak-stack bench-sync

VENV := .venv
BIN := $(VENV)/bin
PORT ?= 4566
STORE ?= sqlite
FOLDER ?= .local
QUERY ?= an owl
MODEL ?= lite
HISTORIES ?= 3000
export PYTHONDONTWRITEBYTECODE :=

help:  ## these words
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(VENV)/.local-ready $(if $(filter opensearch,$(STORE)),$(VENV)/.java-ready)  ## the whole system on this machine, with sample pictures indexed (PORT=4566 MODEL=lite STORE=sqlite or opensearch); Ctrl-C stops it
	@[ "$(MODEL)" = lite ] || MODELS_DIR=build/models $(BIN)/python -m embedder_container.fetch $(FETCH_FLAGS) "$(MODEL)"
	@exec $(BIN)/python -m infra.run --port $(PORT) --model "$(MODEL)" --store $(STORE)

demo: $(VENV)/.local-ready  ## search the running system: make demo QUERY="an owl"
	@$(BIN)/python -m infra.demo "$(QUERY)"

test: $(VENV)/.dev-ready  ## all tests: unit, contract, end to end on the deployed template
	$(BIN)/python -m pytest

test-unit: $(VENV)/.dev-ready  ## the fast ones
	$(BIN)/python -m pytest tests/unit

soak: $(VENV)/.dev-ready  ## the model test of syncs for longer: make soak HISTORIES=3000
	MODEL_HISTORIES=$(HISTORIES) MODEL_STEPS=100 $(BIN)/python -m pytest tests/model --timeout=7200

soak-stack: $(VENV)/.dev-ready  ## workers of the deployed system killed in one sync of 500 objects, then a bucket stirred: make soak-stack MINUTES=60 SEED=1
	$(BIN)/python -m tests.soak

mutants: $(VENV)/.dev-ready  ## bugs put in by hand, each of which the model test must find
	$(BIN)/python -m tests.model.mutants

check: $(VENV)/.dev-ready  ## lint, formatting, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.dev-ready  ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev-ready  ## the figures of the README, a line each
	$(BIN)/python -m tests.bench

bench-api: $(VENV)/.dev-ready  ## what a token and an allowance cost: milliseconds, reads and writes of DynamoDB
	$(BIN)/python -m tests.bench.api

bench-sync: $(VENV)/.dev-ready  ## how fast a sync plans beside a bare reading of the same pages, and what one costs; ten minutes
	$(BIN)/python -m tests.bench.sync

bench-embed: $(VENV)/.dev-ready .venv-bench/.ready  ## the embedder on full-size CLIP, beside the bare model, fastembed and open_clip
	$(BIN)/python -m tests.bench.embedder

fuzz: $(VENV)/.dev-ready  ## 100,000 damaged files through the decoders (SEED=1): no crash, no hang, no growth
	$(BIN)/python -m tests.fuzz --seed $(or $(SEED),1)

soak-embed: $(VENV)/.dev-ready  ## 10,000 pictures through the embedder: does its memory stay flat?
	$(BIN)/python -m tests.bench.embedder.soak

faults: $(VENV)/.dev-ready  ## OpenSearch busy, slow, refusing, and killed in the middle of a sync of 2,000 objects
	SIMILARIX_OBJECTS=2000 $(BIN)/python -m pytest tests/contract/test_opensearch_faults.py tests/e2e/test_opensearch.py

bench-store: $(VENV)/.dev-ready  ## vectors on OpenSearch: recall, latency, bulk, beside bare requests and the SQLite store
	$(BIN)/python -m tests.bench.opensearch

doctor: $(VENV)/.local-ready  ## whether the running system's vector store says what its catalogue says (FOLDER=.local)
	@$(BIN)/python -m infra.admin --local --folder "$(FOLDER)" doctor

package: $(VENV)/.local-ready  ## the SAM template and the functions' code, into build/
	$(BIN)/python -m infra.package

deploy: $(VENV)/.local-ready  ## onto AWS: make deploy STACK=similarix REGION=eu-central-1 IMAGE=uri-of-the-embedder
	$(BIN)/python -m infra.deploy --stack "$(STACK)" --region "$(REGION)" --image "$(IMAGE)"

lock: $(VENV)/.dev-ready  ## pin what the .in files ask for
	$(BIN)/pip-compile -q --no-emit-find-links --no-emit-index-url --strip-extras --no-annotate --no-header --allow-unsafe requirements-local.in
	$(BIN)/pip-compile -q --no-emit-find-links --no-emit-index-url --strip-extras --no-annotate --no-header --allow-unsafe requirements-java.in
	$(BIN)/pip-compile -q --no-emit-find-links --no-emit-index-url --strip-extras --no-annotate --no-header --allow-unsafe requirements-dev.in
	$(BIN)/pip-compile -q --no-emit-find-links --no-emit-index-url --strip-extras --no-annotate --no-header --allow-unsafe requirements-bench.in

clean:  ## forget the virtual environment, builds and the local system's data
	rm -rf $(VENV) .venv-bench build .local .pytest_cache .mypy_cache .ruff_cache .hypothesis

# What the embedder is measured against: some gigabytes, for the benchmark alone.
.venv-bench/.ready: requirements-bench.txt | $(VENV)/bin/python
	@echo "Installing the peers (PyTorch among them: several minutes, 6 GB)"
	@$(BIN)/python -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	@touch $@

# The first Python that runs and is new enough; PYTHON=… chooses another.
$(VENV)/bin/python:
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3 python; do \
		if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then \
			echo "Setting up $(VENV) with $$("$$python" --version)"; exec "$$python" -m venv $(VENV); \
		fi; \
	done; echo "Similarix needs Python 3.11, 3.12 or 3.13, and found none. Install one, or name it: make PYTHON=/path/to/python3.13 …" >&2; exit 1

$(VENV)/.local-ready: requirements-local.txt | $(VENV)/bin/python
	@echo "Installing what the local system needs (about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-local.txt
	@touch $@

$(VENV)/.java-ready: requirements-java.txt $(VENV)/.local-ready
	@echo "Installing what services in Java need"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-java.txt
	@touch $@

$(VENV)/.dev-ready: requirements-dev.txt $(VENV)/.java-ready
	@echo "Installing what tests and checks need"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
