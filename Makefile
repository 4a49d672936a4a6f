# The project's commands. Each installs what it needs; before them, only make and Python 3.11 to 3.13 must be there.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run demo index variables doctor accept test test-unit browser clients check format bench stress package audit deploy lock clean

VENV := .venv
BIN := $(VENV)/bin
PORT ?= 4566
PROCESSES ?= auto
QUERY ?= a bird
PICTURES ?=
HISTORIES ?= 3000
MINUTES ?= 5
SEED ?= 1
KILLS ?= 20
OBJECTS ?= 5000000
# Every file that is installed is one of a lock's, by its hash; wheels alone, so that no package's own code runs.
INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all:
# One lock for every platform and each Python from 3.11 on.
LOCK := $(BIN)/uv pip compile --quiet --generate-hashes --no-build --no-header --no-annotate --no-emit-index-url $(UPGRADE)
LOCK_ANYWHERE := $(LOCK) --universal --python-version 3.11
# The suites that have a command below.
SUITES = $(sort $(patsubst $(1).%,%,$(filter $(1).%,$(.VARIABLES))))
NO_SUITE = @echo "Choose a suite: make $(1) SUITE=… of $(call SUITES,$(1))" >&2; exit 2
export PYTHONDONTWRITEBYTECODE :=

help:  ## print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12
	@echo
	@sed -nE 's/^## ([^:]+): /\1\t/p' $(MAKEFILE_LIST) | expand -t 28

# A folder remembers its model and store; OpenSearch needs Java also where it is remembered.
STORE_READY = $(if $(filter opensearch,$(STORE))$(wildcard $(or $(FOLDER),.local)/opensearch),$(VENV)/.java-ready)
IN_FOLDER = $(if $(FOLDER),--folder "$(FOLDER)")
run: $(VENV)/.local-ready $(STORE_READY)  ## start the whole system here (PORT=4566 MODEL=lite STORE=sqlite or opensearch)
	@case "$(MODEL)" in ""|lite) ;; \
		*) MODELS_DIR=build/models $(BIN)/python -m embedder_container.fetch $(FETCH_FLAGS) "$(MODEL)" ;; esac
	@exec $(BIN)/python -m infra.run --port $(PORT) $(IN_FOLDER) $(if $(MODEL),--model "$(MODEL)") \
		$(if $(STORE),--store $(STORE)) $(if $(MIGRATE),--migrate)

demo: $(VENV)/.local-ready  ## search the running system (QUERY="a bird")
	@$(BIN)/python -m infra.demo $(IN_FOLDER) "$(QUERY)"

index: $(VENV)/.local-ready  ## search a folder of your own pictures in the running system (PICTURES=~/Pictures)
	@[ -n "$(PICTURES)" ] || { echo "Name the folder of your pictures: make index PICTURES=~/Pictures" >&2; exit 2; }
	@$(BIN)/python -m infra.index_folder $(IN_FOLDER) $(if $(CONFIRM),--confirm-removals) "$(PICTURES)"

variables: $(VENV)/.local-ready  ## print a command that sets URL, TOKEN, COLLECTION and MANAGED: eval "$(make -s variables)"
	@$(BIN)/python -m infra.variables $(IN_FOLDER)

doctor: $(VENV)/.local-ready  ## compare the running system's vector store with its catalogue
	@$(BIN)/python -m infra.admin --local $(IN_FOLDER) doctor

accept: $(VENV)/.local-ready  ## walk through a deployed system as a customer (URL TOKEN BUCKET QUEUE; else the local one)
	@TOKEN="$(TOKEN)" $(BIN)/python -m infra.acceptance $(if $(URL),--url "$(URL)") $(IN_FOLDER) \
		$(if $(BUCKET),--bucket "$(BUCKET)") $(if $(QUEUE),--queue "$(QUEUE)")

test: $(VENV)/.dev-ready  ## run all tests, from units to the deployed template (PROCESSES=auto)
	@$(MAKE) --no-print-directory browser || echo "Without Chromium the tests of web pages are skipped."
	$(BIN)/python -m pytest --numprocesses $(PROCESSES)

test-unit: $(VENV)/.dev-ready  ## run the tests that start no process and no server
	$(BIN)/python -m pytest tests/unit

# Debian's where apt-get may be used; elsewhere the one that Playwright fetches from its own server.
CHROMIUM = $(firstword $(foreach name,chromium chromium-browser google-chrome google-chrome-stable,$(shell command -v $(name))))
browser: $(VENV)/.dev-ready  ## install Chromium, in which tests/browser opens a page
	@if [ -n "$(CHROMIUM)" ]; then echo "Chromium is there: $(CHROMIUM)"; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get install --yes --no-install-recommends chromium; \
	else $(BIN)/playwright install chromium; fi

clients: $(VENV)/.dev-ready .venv-clients/.ready  ## generate API clients, and run them (LANGUAGES="python typescript go java")
	@$(BIN)/python -m tests.clients $(LANGUAGES) $(if $(REQUIRED),--required)

check: $(VENV)/.dev-ready  ## check lint, formatting, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.dev-ready  ## format the code and fix what the linter can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Each suite: what `make help` says of it, and its command. An unknown suite installs nothing.
## bench SUITE=main: startup, indexing, search, events: a figure a line
bench.main = $(BIN)/python -m tests.bench
## bench SUITE=load: searches, uploads and syncs at once, with up to 32 callers and 20,000 vectors; 15 minutes
bench.load = $(BIN)/python -m tests.bench.load
## bench SUITE=fairness: what one account's sync of 2,000 pictures costs another; four minutes
bench.fairness = $(BIN)/python -m tests.bench.fairness
## bench SUITE=bulk: 1,000 copies, their deletion and a first sync of 2,000, by an earlier commit and this one; 12 minutes
bench.bulk = $(BIN)/python -m tests.bench.bulk
## bench SUITE=api: what a token and a quota cost in milliseconds and DynamoDB calls
bench.api = $(BIN)/python -m tests.bench.api
## bench SUITE=sync: speed and price of a sync, beside a bare listing; ten minutes
bench.sync = $(BIN)/python -m tests.bench.sync
## bench SUITE=store: OpenSearch beside the SQLite store: recall, latency, bulk, filters, composed searches
bench.store = $(BIN)/python -m tests.bench.opensearch && $(BIN)/python -m tests.bench.filters && \
	$(BIN)/python -m tests.bench.composed
## bench SUITE=quality: how well searches find the samples on both stores: captions, composed, cut off; two minutes
bench.quality = $(BIN)/python -m tests.bench.quality
## bench SUITE=duplicates: which copies and which other pictures are told to be the same
bench.duplicates = $(BIN)/python -m tests.bench.duplicates
## bench SUITE=thumbnails: what further sizes of thumbnails cost at once, and when they are first asked for
bench.thumbnails = $(BIN)/python -m tests.bench.thumbnails
## bench SUITE=pages: the dashboard's own work for a page, its bytes, what it adds to a cold start, and the time to a result
bench.pages = $(BIN)/python -m tests.bench.pages && $(BIN)/python -m tests.bench.dashboard_search
## bench SUITE=cold: functions from their start to the first answer, as on Lambda, with and without bytecode; three minutes
bench.cold = $(BIN)/python -m tests.bench.cold
## bench SUITE=lighthouse: what Lighthouse says of the dashboard's pages; from the npm registry; five minutes (ONLY= RUNS=3)
bench.lighthouse = ONLY="$(ONLY)" RUNS="$(RUNS)" $(BIN)/python -m tests.bench.lighthouse
## bench SUITE=newcomer: from a clone to the first search in a browser, step by step, by a hand that has never seen it
bench.newcomer = $(BIN)/python -m tests.bench.newcomer
## bench SUITE=tests: all tests, and what each file of them takes of the processors
bench.tests = $(BIN)/python -m pytest --numprocesses $(PROCESSES) -p tests.bench.suite
## bench SUITE=embed: the embedder on full-size CLIP beside its peers (6 GB)
bench.embed = $(BIN)/python -m tests.bench.embedder

BENCH_READY = $(if $(bench.$(or $(SUITE),main)),$(VENV)/.dev-ready) $(if $(filter embed,$(SUITE)),.venv-bench/.ready)
bench: $(BENCH_READY)  ## measure (SUITE=main or another of those below)
	$(or $(bench.$(or $(SUITE),main)),$(call NO_SUITE,bench))

## stress SUITE=model: random histories of syncs, uploads and failures (HISTORIES=3000)
stress.model = MODEL_HISTORIES=$(HISTORIES) MODEL_STEPS=100 $(BIN)/python -m pytest tests/model --timeout=7200
## stress SUITE=mutants: bugs put in by hand, each of which the model test must find
stress.mutants = $(BIN)/python -m tests.model.mutants
## stress SUITE=stack: kill the deployed system's workers (MINUTES=5 SEED=1)
stress.stack = MINUTES=$(MINUTES) SEED=$(SEED) $(BIN)/python -m tests.stress.stack
## stress SUITE=local: kill the local system, or parts of it, and compare what the next run has (KILLS=20 SEED=1)
stress.local = KILLS=$(KILLS) SEED=$(SEED) $(BIN)/python -m tests.stress.local
## stress SUITE=store: OpenSearch slow, refusing, and killed during a sync of 2,000 objects; writes in many orders
stress.store = SIMILARIX_OBJECTS=2000 SIMILARIX_EXAMPLES=100 $(BIN)/python -m pytest \
	tests/contract/test_opensearch_faults.py tests/contract/test_vector_store.py tests/e2e/test_opensearch.py
## stress SUITE=document: many generated calls of every operation of the deployed API, against its document; five minutes
stress.document = SIMILARIX_CALLS=8 $(BIN)/python -m pytest tests/e2e/test_openapi.py --timeout=1800
## stress SUITE=fuzz: 100,000 damaged files through the decoders: no crash, no hang (SEED=1)
stress.fuzz = $(BIN)/python -m tests.fuzz --seed $(SEED)
## stress SUITE=pictures: a folder of pictures beside libvips (FOLDER=…), or the costliest pictures that are admitted
stress.pictures = $(BIN)/python -m tests.stress.pictures $(if $(FOLDER),"$(FOLDER)")
## stress SUITE=browser: every page in Chromium: sizes, themes, axe, slow and failing networks; into build/browser (ONLY= SIZES=)
stress.browser = ONLY="$(ONLY)" SIZES="$(SIZES)" $(BIN)/python -m tests.stress.browser
## stress SUITE=firefox: the flows of tests/browser in Firefox (Debian: apt-get install firefox-esr)
stress.firefox = SIMILARIX_BROWSER=firefox $(BIN)/python -m pytest tests/browser
## stress SUITE=screenshots: the pictures of the documents, each page light, dark and narrow, into docs/images (ONLY=)
stress.screenshots = $(BIN)/python -m tests.stress.browser.screenshots "$(ONLY)"
## stress SUITE=continuations: syncs, deletions and a purge of five million objects, in simulated time (OBJECTS=5000000)
stress.continuations = OBJECTS=$(OBJECTS) $(BIN)/python -m tests.stress.continuations
## stress SUITE=partitions: what the first sync of a million objects writes to DynamoDB's partitions
stress.partitions = OBJECTS=1000000 $(BIN)/python -m tests.stress.partitions
## stress SUITE=embed: 10,000 pictures through the embedder: its memory stays flat
stress.embed = $(BIN)/python -m tests.bench.embedder.soak

STRESS_READY = $(if $(stress.$(SUITE)),$(VENV)/.dev-ready)
stress: $(STRESS_READY)  ## try to break it (SUITE=one of those below)
	$(or $(stress.$(SUITE)),$(call NO_SUITE,stress))

package: $(VENV)/.package-ready  ## write the SAM template, the functions' code and the lists of its parts into build/
	$(BIN)/python -m infra.bill_of_materials $(if $(MODEL),--model "$(MODEL)")

audit: $(VENV)/.package-ready  ## compare the locks with the known vulnerabilities
	@$(BIN)/python -m infra.audit

deploy: $(VENV)/.local-ready  ## deploy onto AWS (STACK=similarix REGION=eu-central-1 IMAGE=the embedder's OPTIONS=)
	$(BIN)/python -m infra.deploy --stack "$(STACK)" --region "$(REGION)" --image "$(IMAGE)" $(OPTIONS)

# The packages' own locks come after the first, so that both have the versions that are tested here. The API's is for
# the functions' Python and system alone; the embedder's is complete as its .in file lists it.
lock: $(VENV)/.dev-ready  ## pin the requirements in the .in files, with hashes (UPGRADE=--upgrade: newer ones)
	$(LOCK_ANYWHERE) requirements-local.in -o requirements-local.txt
	$(LOCK) --python-version 3.13 --python-platform aarch64-manylinux_2_34 \
		-c requirements-local.txt requirements.in -o requirements.txt
	$(LOCK_ANYWHERE) --no-deps -c requirements-local.txt \
		embedder_container/requirements.in -o embedder_container/requirements.txt
	$(LOCK_ANYWHERE) requirements-uv.in -o requirements-uv.txt
	$(LOCK_ANYWHERE) requirements-package.in -o requirements-package.txt
	$(LOCK_ANYWHERE) requirements-java.in -o requirements-java.txt
	$(LOCK_ANYWHERE) requirements-dev.in -o requirements-dev.txt
	$(LOCK_ANYWHERE) --no-deps -c requirements-dev.txt \
		embedder_container/requirements-build.in -o embedder_container/requirements-build.txt
	$(LOCK_ANYWHERE) requirements-bench.in -o requirements-bench.txt
	$(LOCK_ANYWHERE) requirements-clients.in -o requirements-clients.txt

clean:  ## delete the virtual environments, builds, caches and .local
	rm -rf $(VENV) .venv-bench .venv-clients build .local .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The peers that the embedder is measured against: some gigabytes, for SUITE=embed alone.
.venv-bench/.ready: requirements-bench.txt | $(VENV)/.created
	@echo "Installing the peers (PyTorch among them: several minutes, 6 GB)"
	@$(BIN)/python -m venv .venv-bench
	@.venv-bench/bin/python $(INSTALL) -r requirements-bench.txt
	@touch $@

# Apart, because a generator of clients is no part of the tests.
.venv-clients/.ready: requirements-clients.txt | $(VENV)/.created
	@echo "Installing what generates clients in Python"
	@$(BIN)/python -m venv .venv-clients
	@.venv-clients/bin/python $(INSTALL) -r requirements-clients.txt
	@touch $@

# An upgrade of the system may have removed the interpreter of the environment, which is then made anew.
GONE := $(shell test -x $(BIN)/python || echo gone)
.PHONY: gone

# The first Python that runs and is new enough; PYTHON=… chooses another. What an interrupted run has left is cleared.
$(VENV)/.created: $(GONE)
	@if [ -z "$(GONE)" ] && [ -e $(VENV)/.local-ready ]; then touch $@; exit; fi; \
	for python in $(or $(PYTHON),python3.13 python3.12 python3.11 python3 python); do \
		if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then \
			echo "Setting up $(VENV) with $$("$$python" --version)"; \
			"$$python" -m venv --clear $(VENV) && touch $@; exit; \
		fi; \
	done; echo "Similarix needs Python 3.11, 3.12 or 3.13, and $(if $(PYTHON),$(PYTHON) is none,found none). Install one, or name it: make PYTHON=/path/to/python3.13 …" >&2; exit 1

define install
	@echo "$(2)"
	@$(BIN)/python -m infra.virtual_environment $(3) $(1)
	@touch $@
endef

$(VENV)/.local-ready: requirements-local.txt $(GONE) | $(VENV)/.created
	$(call install,$<,Installing what the local system needs (110 MB))

$(VENV)/.java-ready: requirements-java.txt $(VENV)/.local-ready
	$(call install,$<,Installing what services in Java need)

$(VENV)/.package-ready: requirements-package.txt $(VENV)/.local-ready
	$(call install,$<,Installing what lists and audits the packages)

$(VENV)/.dev-ready: requirements-dev.txt $(VENV)/.java-ready $(VENV)/.package-ready
	$(call install,$<,Installing what tests and checks need,--compile)
