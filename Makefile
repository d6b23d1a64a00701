# Every target works in a fresh clone with Python 3.11 or later and PyPI: it makes .venv first.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin

# What is compiled is kept, whatever the shell says: to compile all tests costs each process that loads them ten seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-long test-deep coverage check docs reference soak chaos bench clean

demo: $(VENV)/.ready ## run a cascade on a generated street; leaves demo-output/
	$(BIN)/vidpipe demo

# Once by several, and what failed once more by itself, as it may have been the load; those held against a clock alone.
define run_tests
	$(BIN)/python -m compileall -q vidpipe  # once, and not by each command that a test starts
	$(BIN)/python -m pytest --numprocesses 3 -m "not timed and $(1)" || \
		$(BIN)/python -m pytest --last-failed --last-failed-no-failures none -m "not timed and $(1)"
	$(BIN)/python -m pytest -m "timed and $(1)" || \
		$(BIN)/python -m pytest --last-failed --last-failed-no-failures none -m "timed and $(1)"
endef

test: $(VENV)/.ready ## the tests; set VIDPIPE_ASSETS to a folder with real footage to include those on it
	$(call run_tests,not long)

test-long: $(VENV)/.ready ## those that take more than two seconds each: clusters, cameras that fail, whole commands
	$(call run_tests,long)

test-deep: $(VENV)/.ready ## the tests of faults at random, for longer: a hundred killed processes instead of eight
	VIDPIPE_KILLS=100 VIDPIPE_SOAK_S=60 VIDPIPE_CHAOS_S=120 $(BIN)/python -m pytest --numprocesses 3 \
		tests/results/sinks/test_outbox.py tests/results/store/test_sink.py tests/archive/test_processes.py \
		tests/cameras/test_soak.py tests/runtime/ray/test_chaos.py

coverage: $(VENV)/.ready ## which lines of vidpipe/ the tests run, but for those that only Ray's actors do: htmlcov/
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest --numprocesses 3 -m "not timed"; $(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage html --quiet
	$(BIN)/python -m coverage report --skip-covered --sort=miss

check: $(VENV)/.ready ## what CI checks besides the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.ready ## the site of these pages, to read without a network: build/docs/site/index.html
	$(BIN)/python docs/make_site.py

reference: $(VENV)/.ready ## the pages and schemas that are made from the code
	for page in api cli http_api metrics; do $(BIN)/python docs/make_$$page.py || exit 1; done
	$(BIN)/python -m vidpipe.pipeline.yaml.reference docs/pipelines.md
	$(BIN)/python -m vidpipe.pipeline.yaml.json_schema docs

soak: $(VENV)/.ready ## an hour of eight cameras with faults at random; needs GStreamer's RTSP server
	VIDPIPE_SOAK_S=3600 $(BIN)/python -m pytest tests/cameras/test_soak.py

chaos: $(VENV)/.ready ## an hour of eight streams on a cluster whose actors and nodes are killed at random
	VIDPIPE_CHAOS_S=3600 $(BIN)/python -m pytest -s tests/runtime/ray/test_chaos.py

bench: $(VENV)/.ready ## measure what is promised, and bench all clips of VIDPIPE_ASSETS: docs/benchmarks.md (an hour)
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build/docs demo-output htmlcov .coverage*

# constraints.txt holds the versions that the tests were last run with.
$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("vidpipe needs Python 3.11 or later: make PYTHON=python3.12 ..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@
