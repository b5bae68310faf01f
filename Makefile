# `make help` explains the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUPPLY := build/supply
READY := $(VENV)/.ready
# Each process that starts would compile all code again.
export PYTHONDONTWRITEBYTECODE :=
# Not those that start programs, engines, browsers or pools of their own, or that look at query plans. Rooms
# do not share the few connections that this pooler has to PostgreSQL.
THROUGH_POOLER := $(filter-out %/test_copies.py %/test_cut_connections.py %/test_databases.py %/test_engines.py \
  %/test_lending.py %/test_money_machine.py %/test_plans.py %/test_race.py %/test_rooms_apart.py %/test_servers.py \
  %/test_signing_keys.py %/test_tls.py, \
  $(wildcard tests/integration/*/test_*.py)) \
  $(addprefix tests/acceptance/,web/test_joining.py web/test_walk.py web/test_reading.py \
  admin/test_operators.py admin/test_people.py admin/test_roles.py)

# `make test` runs these small.
MADE_LARGER := tests/acceptance/run/test_crowd.py tests/acceptance/run/test_frozen_leader.py \
  tests/acceptance/run/test_frozen_workers.py tests/acceptance/run/test_rotation.py \
  tests/acceptance/web/test_bad_input.py tests/acceptance/web/test_behind.py tests/acceptance/web/test_mounted.py \
  tests/acceptance/web/test_polling.py tests/integration/checkout/test_money_machine.py \
  tests/integration/checkout/test_history.py tests/integration/checkout/test_money_locks.py \
  tests/integration/store/test_conservation.py tests/integration/store/test_promises.py tests/integration/inventory/test_catalogue.py \
  tests/integration/inventory/test_catalogue_import.py tests/integration/inventory/test_lone_holds.py \
  tests/unit/rehearse/test_rehearse_figures.py \
  tests/unit/simulation/test_sales.py tests/integration/store/test_simulated_books.py \
  tests/unit/rehearse/test_rehearse.py tests/unit/rehearse/test_rehearse_command.py
LARGE := TEST_SALES=1000 TEST_COMPARED=40 TEST_CROWD=2000 TEST_JOINS=10000 TEST_TURNS=3 TEST_WAITING=500 \
  TEST_SEEDS=8 TEST_EXAMPLES=30 TEST_FROZEN_S=330 TEST_ORDERS=100000 TEST_SKUS=100000 TEST_MIXTURES=5000

# Packages and the browser of the tests are installed side by side.
MAKEFLAGS += --jobs=2
.DEFAULT_GOAL := help
.PHONY: help run test matrix peers offline-bench endure contract unit lint check bench catalogue-bench pooler browser rehearse oracle race soak simulate fuzz outage chaos sale attackers mutants pages live-page pictures lock sbom licences audit clean

help: ## Say what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "waitroom needs Python 3.11 or newer; name one with: make PYTHON=python3.12 …" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "the module venv is missing; on Debian and Ubuntu: apt install python3-venv" >&2; exit 2; }
	@$(BIN)/pip install --quiet --require-hashes --requirement tools/supply/pip.lock || \
	  echo "going on with the pip that is there, which takes longer" >&2
	$(BIN)/pip install --quiet --no-compile --require-hashes --requirement requirements.lock
	@$(BIN)/python -W ignore -m compileall -qq -j 0 $(VENV)/lib >/dev/null || true
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

run: $(READY) ## Serve a demonstration sale at http://127.0.0.1:8080
	@exec $(BIN)/waitroom up --demo

# Tests that were never compiled are compiled once, and not by each of the processes that run them.
test: $(READY) browser lint ## Run every check and test
	@mkdir -p build
	@$(BIN)/mypy >build/mypy.txt 2>&1 & types=$$!; \
	test -e tests/__pycache__ || $(BIN)/pytest --collect-only --quiet >/dev/null; \
	$(BIN)/pytest --numprocesses 4 --dist worksteal --durations 20; tests=$$?; \
	wait $$types; types=$$?; cat build/mypy.txt; exit $$((tests | types))

matrix: $(READY) browser ## Look at every page at three widths and in six dresses, and walk it by keyboard
	$(BIN)/pytest tests/endure/test_matrix.py tests/endure/test_keyboard.py --durations 10

peers: $(READY) browser ## Start what stands in front of sites, or behind a gate, and walk through it
	$(BIN)/pip install --quiet --editable '.[peers]'
	$(BIN)/pytest tests/peers --durations 10

offline-bench: $(READY) ## Measure what the offline check costs a site
	$(BIN)/python tools/offline.py

endure: $(READY) browser ## Run what takes minutes: large crowds, outages, frozen leaders, the benchmark
	$(LARGE) $(BIN)/pytest tests/endure $(MADE_LARGER) -m '' --durations 20
	$(BIN)/pytest tests/unit --hypothesis-profile thorough

contract: $(READY) ## Ask the program what its description says, and what it does not, by schemathesis
	$(BIN)/pytest tests/endure/test_contract.py -m '' --durations 10

unit: $(READY) ## Run the tests of the pure modules alone
	$(BIN)/pytest tests/unit

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check: lint ## Lint and check types
	$(BIN)/mypy

pooler: $(READY) ## Run tests of stores and journeys through PgBouncer, in transaction mode
	$(BIN)/pytest --pooler $(THROUGH_POOLER)

browser: # A Chromium for the browser tests: any that is found, else Debian's
	@sh tests/find_chromium.sh >/dev/null

bench: $(READY) ## Measure, print the table and write build/bench.json
	$(BIN)/python tools/bench/run.py

catalogue-bench: $(READY) ## Measure a catalogue of a hundred thousand SKUs
	$(BIN)/python tools/bench/catalogue.py

rehearse: $(READY) ## Compare policies over 100,000 shoppers and draw docs/pictures/frontier*.svg (over an hour)
	@mkdir -p build
	$(BIN)/waitroom rehearse large --seeds 5 --jobs 2 --json build/rehearse-large.json
	$(BIN)/waitroom rehearse drop --frontier --seeds 8 --set until_s=7200 --jobs 2 --json build/frontier.json \
	  --chart docs/pictures/frontier.svg
	$(BIN)/waitroom rehearse drop-shift --frontier --seeds 8 --set until_s=7200 --jobs 2 \
	  --json build/frontier-shift.json --chart docs/pictures/frontier-shift.svg

oracle: $(READY) ## Hold admission against rooms that know the shoppers, 20 sales of each scenario (over an hour)
	$(BIN)/python tools/oracle.py

race: $(READY) ## Let five units be raced for a thousand times
	TEST_RACES=1000 $(BIN)/pytest tests/integration/store/test_race.py

soak: $(READY) ## Run seeded sales with crashes for five minutes
	$(BIN)/python tools/soak.py --minutes 5

simulate: $(READY) ## Play thousands of sales in virtual time: SEEDS=2000 FROM=1, or one with its story by SEED=17
	PYTHONPATH=tests $(BIN)/python -m simulation.run $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),2000) --from $(or $(FROM),1))

fuzz: $(READY) ## Try a million forged tokens, and rubbish at the running program
	$(BIN)/python tools/fuzz.py

outage: $(READY) ## Take PostgreSQL away from a running sale for three minutes, in two ways
	$(BIN)/python tools/outage.py --seconds 180
	$(BIN)/python tools/outage.py --seconds 180 --how frozen

chaos: $(READY) ## Let faults of some seventy kinds happen to running sales, and write docs/chaos.md
	$(BIN)/python tools/chaos --seeds $(or $(SEEDS),1) --first $(or $(FIRST),1) --jobs $(or $(JOBS),1) \
	  $(if $(ONLY),--only "$(ONLY)") $(if $(RESUME),--resume)

overload: $(READY) ## Offer ten times the load that fits, and storms of newcomers, and see what those inside notice
	$(BIN)/python tools/overload/run.py

sale: $(READY) ## Sell 1,000 units to 100,000 shoppers, and hold what they were told against the books
	$(BIN)/python tools/sale.py

attackers: $(READY) ## Sell to honest shoppers alone and beside five attackers, and compare
	$(BIN)/python tools/attackers.py --shoppers 300 --units 180 --arrive-s 30 --limit-s 400 --places 20

mutants: $(READY) ## Plant known mistakes one by one and see that the tests notice; ONLY=simulation lets sales find theirs
	$(BIN)/python tools/mutants/run.py $(if $(ONLY),--$(ONLY))

languages: $(READY) ## Bring the catalogues of the languages up to date with the code
	$(BIN)/python tools/languages.py

pages: $(READY) browser ## Measure weight, first paint, own place and shift of the pages on a slow line
	$(BIN)/python tools/pages.py

live-page: $(READY) browser ## Watch the operators' live screen for long tasks with a crowd of 5,000
	$(BIN)/python tools/long_tasks.py

pictures: $(READY) browser ## Take the README's pictures, and one of every page in every dress (build/pictures)
	$(BIN)/python tools/pictures.py
	WAITROOM_PICTURES=build/pictures $(BIN)/pytest tests/endure/test_matrix.py

$(SUPPLY)/.ready: pyproject.toml
	@test -x $(SUPPLY)/bin/python || $(PYTHON) -m venv $(SUPPLY)
	$(SUPPLY)/bin/pip install --quiet 'cyclonedx-bom>=7.5,<8' 'pip-audit>=2.10,<3' 'uv>=0.9,<1'
	@touch $@

lock: $(SUPPLY)/.ready ## Write requirements.lock after a change of pyproject.toml; UPGRADE=1 takes the newest versions
	$(SUPPLY)/bin/python tools/supply/lock.py $(if $(UPGRADE),--upgrade)

sbom: $(READY) $(SUPPLY)/.ready ## Write build/sbom.json, every installed package in the form of CycloneDX
	@mkdir -p build
	$(SUPPLY)/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --mc-type application \
	  --output-reproducible --output-file build/sbom.json

licences: $(READY) ## List the licences of all that is installed, and refuse one that is not allowed
	@$(BIN)/python tools/supply/licences.py

audit: $(SUPPLY)/.ready ## Look for known vulnerabilities of locked packages; needs a registry that knows them
	@$(SUPPLY)/bin/python tools/supply/audit.py

clean: ## Remove what the targets made
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
