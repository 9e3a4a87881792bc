# `make` lists the targets. PYTHON=python3.12 chooses the interpreter of the virtual environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo results test test-all coverage lint format bench clean

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
demo test test-all coverage: export OMP_NUM_THREADS = 1

DEMO := data/demo
CLIPS := --classes 4 --difficulty 0.2

demo: $(STAMP) ## train a narrow CCNet on synthetic features, then a narrow UnAV on videos, and find events (7 minutes)
	$(BIN)/python scripts/make_synthetic.py unav100 --out data/synthetic --videos 300 --classes 10 --difficulty 0.3
	$(BIN)/python run.py experiment=ccnet_unav100 size=narrow paths.data_dir=data/synthetic trainer.max_epochs=15 untrained=true
	run="$$(ls -td logs/ccnet_unav100/*/ | head -1)" && \
	$(BIN)/python run.py experiment=ccnet_unav100 size=narrow paths.data_dir=data/synthetic stage=predict \
		data.predict_split=validation ckpt_path="$${run}checkpoints/best.ckpt" && \
	$(BIN)/python scripts/draw_timeline.py "$$run" --out data/synthetic/timeline.svg
	$(BIN)/python scripts/make_clips.py $(DEMO)/clips --videos 80 $(CLIPS)
	$(BIN)/python scripts/extract_features.py $(DEMO)/clips/videos $(DEMO)/features trainer.devices=2
	$(BIN)/python run.py experiment=unav_custom size=narrow data.annotations=$(DEMO)/clips/annotations.json \
		data.feature_dir=$(DEMO)/features data.loader.batch_size=4 trainer.max_epochs=30
	$(BIN)/python scripts/make_clips.py $(DEMO)/new --videos 7 $(CLIPS) --seed 1
	run="$$(ls -td logs/unav_custom/*/ | head -1)" && \
	$(BIN)/python scripts/localize.py $(DEMO)/new/videos --checkpoint "$${run}checkpoints/best.ckpt" \
		--out $(DEMO)/events --force
	@echo "Look at data/synthetic/timeline.svg, and at $(DEMO)/events/index.html in a browser: events in seven videos that"
	@echo "were not trained on ($(DEMO)/new/annotations.json has what happens in them)."
	@echo "Then go on in README.md: source $(BIN)/activate; python run.py"

RUNS ?= logs

results: $(STAMP) ## write the README's table of results; RUNS="DIR …" are folders of runs
	$(BIN)/python scripts/results_table.py $(RUNS)

test: $(STAMP) ## run the fast tests (minutes)
	$(BIN)/python -m pytest -m 'not slow' -n 2 --dist worksteal

test-all: $(STAMP) ## run all tests
	$(BIN)/python -m pytest -n 2 --dist worksteal

coverage: $(STAMP) ## run the fast tests and show which lines of src/avel none of them reaches
	$(BIN)/python -m pytest -m 'not slow' -n 2 --dist worksteal --cov

lint: $(STAMP) ## check style, types and the import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## put the style right
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(STAMP) ## measure the speed of training, decoding, the metric, reading and starting (10 minutes)
	$(BIN)/python scripts/benchmark.py

clean: ## remove the environment, caches, synthetic data and what the demo made of them; logs stay
	rm -rf $(VENV) .coverage* data/synthetic $(DEMO) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
