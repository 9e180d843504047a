# Needs Python 3.11 to 3.13, git and make. Everything else is installed below this folder.
# `make demo` and `make test` set up what they need by themselves.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Both environments share one uv and one cache: one after the other, also under make -j.
.NOTPARALLEL:
.PHONY: help install demo test begin test-deep test-pythons later-pythons test-oldest test-wild test-fire test-nats coverage lint format types check bench bench-check bench-peers build docs changelog lock clean

A := .venv/.ready
B := .venv-crew/.ready
W := .venv-wild/.ready
D := .venv-docs/.ready
manifests := $(wildcard packages/*/pyproject.toml) constraints/dev.in constraints/deploy.in constraints/examples.in scripts/environment.sh scripts/uv.sh

help: ## this list
	@echo "Civitas: your agents stay up. Targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile
	@echo "PYTHON=/path/to/python picks the interpreter; default: the newest of 3.11 to 3.13 found."

install: $(A) $(B) ## both environments (.venv and .venv-crew), and what tests start: a browser, Redis, PostgreSQL
	@scripts/chromium.sh
	@scripts/servers.sh
	@echo "install: both environments are ready"

demo: $(A) $(B) ## a graph, an agent and a crew on one task; one crashes, the answer still comes
	@CIVITAS_DEMO_CREW="$(CURDIR)/.venv-crew" .venv/bin/civitas demo

test: $(A) $(B) ## every test, in both environments; ARGS="-k word" picks some
	@scripts/test.sh $(ARGS)

test-deep: $(A) $(B) ## the same behaviour with more examples, repetitions and kills (a quarter of an hour)
	@CIVITAS_PROPERTIES=deep scripts/test.sh $(ARGS)

test-pythons: ## the core's tests on each of Python 3.11, 3.12 and 3.13 found here
	@scripts/test-pythons.sh

later-pythons: ## which packages can be installed from wheels on Python 3.14 and 3.15
	@scripts/later-pythons.sh

test-oldest: ## the tests on the oldest versions that the packages allow (minutes)
	@scripts/test-oldest.sh

test-wild: $(W) $(B) ## public agents, unchanged; writes docs/wild.md (minutes); ARGS="-k word" picks some
	@.venv-wild/bin/python -m tests.wild $(ARGS)

test-fire: $(A) ## real systems while everything around them fails; writes docs/fire.md (minutes); ARGS="-k word --seconds 300 --seed 7"
	@.venv/bin/python -m tests.fire $(ARGS)

test-nats: $(A) ## machines and NATS servers that fail (Linux, as root; minutes); ARGS="-k word" picks some
	@scripts/test-nats.sh $(ARGS)

coverage: $(A) $(B) ## the tests again, with what of the code they run (a quarter of an hour and more)
	@COVERAGE=1 scripts/test.sh $(ARGS)
	@scripts/coverage.sh

lint: $(A) ## ruff, and the import rules between rooms
	@scripts/lint.sh

format: $(A) ## format the code and mend what ruff can mend
	@.venv/bin/ruff check --quiet --fix-only . && .venv/bin/ruff format .

types: $(A) $(B) ## mypy --strict
	@scripts/types.sh

check: lint types ## lint and types
	@echo "check: clean"

begin: $(A) ## docs/begin.md, followed word for word in an empty folder, and timed
	@scripts/begin.sh

bench: $(A) $(B) ## the benchmarks, side by side with the least code that can do the job
	@.venv/bin/python -m benchmarks
	@.venv-crew/bin/python -m benchmarks

bench-check: $(A) ## fails if something became dearer than recorded; ARGS=--record writes it down anew
	@.venv/bin/python -m benchmarks.guard $(ARGS)

bench-peers: $(A) ## Civitas beside its peers, each set up by itself; writes docs/peers.md (ten minutes); ARGS="--work ask --only pykka" prints a part
	@.venv/bin/python -m benchmarks.peers $(ARGS)

build: $(A) ## wheels and sdists of all packages, in dist/, checked and tried on each Python here
	@scripts/build.sh
	@scripts/check-packages.sh

docs: $(D) ## the documentation as a site, in build/docs; a warning or a link that leads nowhere is a failure
	@.venv-docs/bin/python -m website

changelog: $(A) ## what the next release changes; VERSION=0.2.0 writes it into CHANGELOG.md
	@scripts/changelog.sh $(VERSION)

lock: ## pin third-party versions anew in constraints/
	@scripts/lock.sh

clean: ## remove environments, caches and built files
	@rm -rf .peers .venv .venv-crew .venv-wild .venv-build .venv-docs .venv-py* .venv-oldest* .tools dist build .mypy_cache .ruff_cache .pytest_cache \
	    .import_linter_cache .hypothesis .coverage .coverage.* htmlcov
	@echo "clean: done"

$(A): $(manifests) constraints/a.txt
	@scripts/environment.sh a

$(B): $(manifests) constraints/crew.txt
	@scripts/environment.sh crew

$(W): $(manifests) constraints/wild.in constraints/wild-without.in constraints/wild.txt
	@scripts/environment.sh wild

$(D): constraints/docs.in constraints/docs.txt scripts/tools.sh scripts/uv.sh
	@scripts/tools.sh docs
