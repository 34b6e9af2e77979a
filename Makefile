# Everything runs from .venv, which `make install` makes, with the versions in .ci/constraints.txt.
# PYTHON=/path/to/python chooses the interpreter; otherwise the first of these that runs and is new
# enough. (A name on the PATH is no proof: a version manager's stub may stand there.) JOBS=8 runs the
# tests in eight processes.
PYTHONS = python3.12 python3.11 python3.13 python3 python
ENOUGH = import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))

BIN = .venv/bin
PIP = PYTHONWARNINGS=ignore $(BIN)/python -m pip --disable-pip-version-check install --quiet -c .ci/constraints.txt
SMOKES = $(basename $(notdir $(wildcard experiments/smoke_*.gin)))
EIGHT = JAX_PLATFORMS=cpu XLA_FLAGS=--xla_force_host_platform_device_count=8
# Versions with the hashes of their files, for each Python and platform. Without torch, whose build for
# CPUs has another hash than the one that is usually installed.
LOCK = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --python-version 3.11 --constraints .ci/constraints.txt
# Files are what they were when they were locked, or are not installed; on a Python that is not among
# those that were locked, the versions are the same and nobody looks at the files.
LOCKED = @if $(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))'; \
	then $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes -r .ci/$(1); fi
JOBS = 2
QUIET = TF_CPP_MIN_LOG_LEVEL=3

.DEFAULT_GOAL := help
.PHONY: help install demo test lint check smoke beam lock golden objectives parity bench bench-attention bench-data compile-matrix experiments bench-peers bench-growth bench-generation docs figures picture clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1 \t\2/p' Makefile | expand -t 19

install: .venv/installed  ## .venv with archlab in it

demo: .venv/installed  ## trains the quickstart, says whether the loss is as expected, reports
	$(BIN)/archlab train experiments/quickstart.gin --out runs/quickstart
	$(BIN)/archlab report runs/quickstart --out runs/quickstart/report

test: .venv/tested  ## the whole test suite, and the examples in docstrings
	$(QUIET) $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder

lint: .venv/tested  ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint  ## the same, and the rules of the house
	$(QUIET) $(BIN)/python -m pytest -q --numprocesses $(JOBS) tests/house

smoke: .venv/installed  ## a tiny run of each architecture on 8 simulated devices, and one report
	@set -e; for name in $(SMOKES); do \
		echo "archlab train experiments/$$name.gin"; \
		$(EIGHT) $(BIN)/archlab train experiments/$$name.gin --out runs/$$name; done
	$(BIN)/archlab report $(addprefix runs/,$(SMOKES)) --out runs/smoke_report

beam: .venv-beam/installed  ## the tests of Apache Beam, in .venv-beam, where it is installed too
	$(QUIET) .venv-beam/bin/python -m pytest tests/data/test_beam.py

lock: .venv/installed  ## writes .ci/lock.txt and .ci/lock_tests.txt anew from .ci/constraints.txt
	$(PIP) uv
	$(LOCK) setup.py -o .ci/lock.txt
	echo 'torch ; sys_platform == "none"' | $(LOCK) --override - --no-emit-package torch --extra dev setup.py -o .ci/lock_tests.txt

golden: .venv/tested  ## writes tests/golden anew, to be read in the diff
	ARCHLAB_GOLDEN=1 $(QUIET) $(BIN)/python -m pytest -q tests/house/test_gin.py tests/test_mesh.py tests/launch/test_places.py

objectives: .venv/tested  ## runs the proofs of every objective, measures them, and writes docs/objectives.md
	$(QUIET) $(BIN)/python -m benchmarks.objectives

parity: .venv/tested  ## compares every model with Hugging Face's, both ways, and writes docs/parity.md
	$(QUIET) $(BIN)/python -m benchmarks.parity

bench: .venv/tested  ## measures speed as ratios within one run, and writes docs/benchmarks.md
	$(QUIET) $(BIN)/python -m benchmarks.bench

bench-attention: .venv/tested  ## attention, dense and block by block; writes a section of docs/performance.md
	JAX_PLATFORMS=cpu $(QUIET) $(BIN)/python -m benchmarks.attention

bench-data: .venv/tested  ## batches beside those of SeqIO and t5, in ten minutes; writes docs/benchmarks_data.md
	JAX_PLATFORMS=cpu $(QUIET) $(BIN)/python -W ignore -m benchmarks.data $(BENCH)

compile-matrix: .venv/tested  ## every architecture compiled for every pod, in an hour; writes docs/compiled.md
	JAX_PLATFORMS=cpu $(QUIET) $(BIN)/python -m benchmarks.matrix

experiments: .venv/tested  ## the systems people know: counted, planned, compiled for a pod; writes docs/experiments.md
	JAX_PLATFORMS=cpu $(QUIET) $(BIN)/python -m benchmarks.named

bench-growth: .venv/tested  ## what a step costs as models and rows grow; writes a section of docs/performance.md
	JAX_PLATFORMS=cpu $(QUIET) $(BIN)/python -m benchmarks.growth

bench-peers: .venv/tested  ## training steps beside MaxText's and Hugging Face's; writes a section of docs/performance.md
	$(QUIET) $(BIN)/python -m benchmarks.rivals.compare $(BENCH)

bench-generation: .venv/tested  ## generation beside Hugging Face's; writes a section of docs/performance.md
	JAX_PLATFORMS=cpu $(QUIET) $(BIN)/python -W ignore -m benchmarks.generation

docs: .venv/documented  ## the site, from docs/ and from the code, into site/
	NO_MKDOCS_2_WARNING=1 JAX_PLATFORMS=cpu $(QUIET) $(BIN)/python -m mkdocs build --strict --quiet

figures: .venv/installed  ## draws the figures of docs/why and of the house into docs/images
	JAX_PLATFORMS=cpu $(QUIET) $(BIN)/python -m docs.making.figures

picture: .venv/installed  ## the README's, of a report on runs of make smoke, by chromium
	$(BIN)/archlab report $(addprefix runs/smoke_,causal_decoder prefix_decoder encoder_decoder encoder) --out runs/picture
	$(or $(CHROMIUM),chromium) --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1240,1225 \
		--screenshot=docs/images/report.png file://$(CURDIR)/runs/picture/index.html

clean:  ## removes what make made, all but runs/
	rm -rf .venv .venv-beam .venv-maxtext .venv-torch build site archlab.egg-info .mypy_cache .pytest_cache .ruff_cache
	find archlab tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

.venv/installed: setup.py .ci/constraints.txt .ci/lock.txt
	@for python in $(or $(PYTHON),$(PYTHONS)); do \
		if "$$python" -c '$(ENOUGH)' 2>/dev/null; then \
			echo "$$("$$python" --version) makes .venv; installing takes a few minutes"; \
			exec "$$python" -m venv --clear .venv; \
		fi; done; \
	echo "none of '$(or $(PYTHON),$(PYTHONS))' is a Python 3.11 or later with venv;" \
		"install one, or say make PYTHON=/path/to/python" >&2; exit 1
	$(PIP) pip setuptools
	$(call LOCKED,lock.txt)
	$(PIP) --no-build-isolation -e .
	@touch $@

.venv-beam/installed: .venv/installed
	$(BIN)/python -m venv --clear .venv-beam
	$(subst $(BIN),.venv-beam/bin,$(PIP)) pip setuptools
	$(subst $(BIN),.venv-beam/bin,$(PIP)) --no-build-isolation -e '.[dev,beam]'
	@touch $@

.venv/documented: .venv/installed
	$(PIP) --no-build-isolation -e '.[docs]'
	@touch $@

.venv/tested: .venv/installed .ci/lock_tests.txt
	$(call LOCKED,lock_tests.txt)
	$(PIP) --no-build-isolation -e '.[dev]'
	$(PIP) --no-deps t5
	@touch $@
