# One command each; the environment in .venv is made on first use and again when pyproject.toml or setup.py changes.
# It needs Python 3.11 or newer (PYTHON=python3.13 picks another one) and, the first time, a package index.

PYTHON ?= python3
VENV ?= .venv
SEEDS ?= 10000
MUTATIONS ?= 100000
CORE_SECONDS ?= 60
CASES ?= 5000
SEED ?= 0
KILLS ?= 60
SHAPE ?= plain
BASE ?= HEAD~1
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
INSTALLED := $(VENV)/bin/mrframe
WITHOUT_KERNEL := tests/properties tests/unit/formats tests/unit/task/map tests/acceptance/test_cli_commands.py
DEMO := --engine local --nodes 2 --split-bytes 128KiB --format table

.PHONY: help demo test lint bench bench-versions bench-start bench-instructions simulate chaos kills fuzz differential samples measures docs clean bench-full

help:  ## list the commands
	@sed -n 's/^\([a-z-]*\):.*##/\1	/p' $(MAKEFILE_LIST)

$(READY): pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "mrframe needs Python 3.11 or newer; try: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check -e '.[dev]' || \
	  { echo "cannot make the environment: pip needs a package index once (see its message above)" >&2; exit 1; }
	@touch $@

$(INSTALLED):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "mrframe needs Python 3.11 or newer; try: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check -e . || \
	  { echo "cannot make the environment: pip needs a package index once (see its message above)" >&2; exit 1; }

demo: $(INSTALLED)  ## count status codes and the busiest URLs of sample_logs/, on a cluster of processes
	$(VENV)/bin/mrframe run jobs/status_codes.py 'sample_logs/access.log*' $(DEMO)
	$(VENV)/bin/mrframe run jobs/top_urls.py 'sample_logs/access.log*' $(DEMO)

test: $(READY)  ## run every test but the long ones, and those that read and fold without the compiled kernel, too
	$(RUN) -m pytest -m 'not slow' --numprocesses 2 --dist worksteal
	MRFRAME_KERNEL=off $(RUN) -m pytest -m 'not slow' --numprocesses 2 --dist worksteal $(WITHOUT_KERNEL)

lint: $(READY)  ## check style, types and the layers of the packages
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

simulate: $(READY)  ## play SEEDS fault schedules against the real scheduler, in virtual time
	$(RUN) -m mrframe.testing.simulation.simulate --seeds $(SEEDS)

chaos: $(READY)  ## run the long tests, which kill processes at random moments
	$(RUN) -m pytest -m slow --timeout 3600 --hypothesis-profile=explore tests

kills: $(READY)  ## kill -9 a process at KILLS random moments of runs over 100 MiB, for SHAPE plain, gzip or total
	$(RUN) benchmarks/kills.py --kills $(KILLS) --shape $(SHAPE) --seed $(SEED)

fuzz: $(READY)  ## read MUTATIONS of the sample logs from SEED, and fuzz the C of the kernel for CORE_SECONDS (needs clang)
	$(RUN) -m mrframe.testing.fuzz --mutations $(MUTATIONS) --seed $(SEED) sample_logs/access.log sample_logs/app.jsonl
	$(RUN) tests/fuzz/core_fuzz.py --seconds $(CORE_SECONDS)

differential: $(READY)  ## compare CASES random jobs from SEED with a few lines of plain Python
	$(RUN) -m mrframe.testing.differential.differential --cases $(CASES) --seed $(SEED)

bench: $(READY)  ## time jobs beside Python by hand and the installed peers; takes some minutes
	$(RUN) benchmarks/run.py
	$(RUN) -m pytest benchmarks/bench_stages.py --benchmark-autosave --benchmark-columns=min,median,iqr,rounds

bench-versions: $(READY)  ## compare the speed of this tree with the revision BASE, interleaved
	$(RUN) benchmarks/versions.py $(BASE)

bench-start: $(READY)  ## compare the start-up of this tree with that of the revision BASE
	$(RUN) benchmarks/start.py $(BASE)

bench-instructions: $(READY)  ## count the instructions of each job on this tree and on BASE (needs valgrind)
	$(RUN) benchmarks/instructions.py $(BASE)

bench-full: $(READY)  ## the same with a gigabyte of logs; takes about an hour
	$(RUN) benchmarks/run.py --sizes full

measures: $(READY)  ## print sizes, imports and prose of the source as one table
	$(RUN) benchmarks/source_measures.py

samples: $(READY)  ## write sample_logs/ and the truth about them again
	$(RUN) sample_logs/make_samples.py

captures: $(READY)  ## write again what tests expect on terminals of 40, 80 and 120 cells; read the difference
	$(RUN) tests/acceptance/terminal_captures.py

docs: $(READY)  ## write the generated pages of docs/ again
	for page in docs/make_*.py; do $(RUN) $$page || exit 1; done

clean:  ## remove the environment and the caches of tools
	rm -rf $(VENV) .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist *.egg-info
