# `make` lists the targets. PYTHON=python3.12 chooses the interpreter of the virtual environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all lint format bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(STAMP) ## create .venv with exactly the versions of constraints.txt

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "avel needs Python 3.11 or later; try: make install PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# One thread: the sizes are small, and more threads stall beside other busy processes.
demo test test-all: export OMP_NUM_THREADS = 1

demo: $(STAMP) ## make synthetic data, train a narrow CCNet on them, test it, predict (a few minutes)
	$(BIN)/python scripts/make_synthetic.py unav100 --out data/synthetic --videos 300 --classes 10 --difficulty 0.3
	$(BIN)/python run.py experiment=ccnet_unav100 size=narrow paths.data_dir=data/synthetic trainer.max_epochs=15 untrained=true
	run="$$(ls -td logs/ccnet_unav100/*/ | head -1)" && \
	$(BIN)/python run.py experiment=ccnet_unav100 size=narrow paths.data_dir=data/synthetic stage=predict \
		data.predict_split=validation ckpt_path="$${run}checkpoints/best.ckpt" && \
	$(BIN)/python scripts/draw_timeline.py "$$run" --out data/synthetic/timeline.svg
	@echo "Look at data/synthetic/timeline.svg, then go on in README.md: source $(BIN)/activate; python run.py"

test: $(STAMP) ## run the fast tests (minutes)
	$(BIN)/python -m pytest -m 'not slow' -n 2

test-all: $(STAMP) ## run all tests
	$(BIN)/python -m pytest -n 2

lint: $(STAMP) ## check style, types and the import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## put the style right
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(STAMP) ## measure the speed of the metric and of the methods
	$(BIN)/python scripts/benchmark.py

clean: ## remove the environment, caches and synthetic data; logs stay
	rm -rf $(VENV) data/synthetic build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
