# Two commands do all the set-up: `make demo` and `make test`. Everything lives in .venv and goes with `make clean`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# Compiled once: where this is set, each of the many commands that tests start compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint format docs notebooks benchmark clean

demo: $(VENV)/.installed
	$(BIN)/twinspect demo --out demo

# Two processes of one thread each do more than one of two: most tests compute little at a time. Files keep the order
# that tests/conftest.py gives them: those that take long come first, so that no process ends long after the others.
test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The site, in site/index.html; a warning is an error.
docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs site

# Runs docs/notebooks/*.ipynb and stores what they show.
notebooks: $(VENV)/.installed-dev
	$(BIN)/python docs/notebooks/run.py

benchmark: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/metrics.py
	$(BIN)/python benchmarks/startup.py

$(VENV)/.installed: pyproject.toml
	@echo "installing into $(VENV): some minutes, without a word"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "installing what tests need into $(VENV): some minutes, without a word"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	@echo "installing what the site needs into $(VENV)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) demo runs site jupyter_execute
