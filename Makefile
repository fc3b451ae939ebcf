# Everything a person types here. Each target sets up what it needs by itself.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
LOCK ?= requirements.lock
BIN := .venv/bin
INSTALLED := .venv/.installed-$(basename $(notdir $(LOCK)))
SITE_CACHE := .dvc/tmp/site_cache

# Files of tests run side by side; many of them wait for processes that start.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile

export DO_NOT_TRACK := 1
export PYTHONUTF8 := 1

.PHONY: help
help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: install
install: $(INSTALLED) $(SITE_CACHE) ## Make .venv with exactly what requirements.lock names (LOCK=requirements-gpu.lock for NVIDIA GPUs)

# uv installs a locked environment in seconds where pip takes minutes; it is itself installed from the lock.
$(INSTALLED): $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Python 3.11, 3.12 or 3.13 is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Say which: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes \
		-r <(sed -n '/^uv==/,/^[^ ].*==/{/^uv==/p;/^ /p;}' $(LOCK))
	@$(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode --python $(BIN)/python $(LOCK)
	@rm -f .venv/.installed-*
	@touch $@

# DVC unpickles what its site cache holds. By default that is a folder which every user of the machine may write to.
$(SITE_CACHE): | $(INSTALLED)
	@$(BIN)/dvc config --local core.site_cache_dir "$(CURDIR)/$@"
	@mkdir -p -m 700 $@

.PHONY: run
run: install ## Train, evaluate and compare the three approaches on generated sample images
	@$(BIN)/kedro run

.PHONY: test
test: install ## Run all tests
	@$(BIN)/pytest $(PARALLEL)

.PHONY: test-fast
test-fast: install ## Run the tests that take less than five seconds each
	@$(BIN)/pytest $(PARALLEL) -m "not slow"

.PHONY: lint
lint: install ## Check style, types and security
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/kedro dvc sync --check
	@$(BIN)/bandit --quiet --recursive src --configfile pyproject.toml

.PHONY: audit
audit: install ## Check the locked packages against the known vulnerabilities (needs the network)
	@$(BIN)/python .ci/audit.py requirements.lock

.PHONY: soak
soak: install ## Kill 60 runs at random moments, and see that each costs nothing
	@$(BIN)/pytest tests/end_to_end/test_faults.py --kills=60 --timeout=7200 -s

.PHONY: lock
lock: install ## Renew both lock files from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --upgrade \
		--extra viz --extra app --extra tuning --extra cluster --group dev pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --upgrade \
		--extra viz --extra app --extra tuning --extra cluster --extra gpu --group dev pyproject.toml -o requirements-gpu.lock

.PHONY: readme
readme: install ## Renew what README.md, docs and their picture show of the sample, from one run (needs Chromium)
	@$(BIN)/python .ci/readme.py

.PHONY: bench
bench: install ## Measure speed and memory against the usual way (ROWS="augmentation lecture_run" for some rows)
	@TF_CPP_MIN_LOG_LEVEL=3 PYTHONPATH=src $(BIN)/python benchmarks/run.py $(ROWS)

# Of the store that runs go to. MLflow's job runners are for language models, and occupy the cores.
.PHONY: mlflow
mlflow: export MLFLOW_TRACKING_URI ?= sqlite:///$(CURDIR)/mlflow.db
mlflow: install ## Open the page that compares the runs, on http://127.0.0.1:5000
	@$(BIN)/kedro tracking pages
	@case "$$MLFLOW_TRACKING_URI" in http*) ;; *) \
		MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow server --workers 1 \
			--host 127.0.0.1 --port 5000 --backend-store-uri "$$MLFLOW_TRACKING_URI" --artifacts-destination $(CURDIR)/mlartifacts;; \
	esac

.PHONY: app
app: install ## Open a page to drop photos on, on http://127.0.0.1:7860 (ENV=lecture, MODELS="champion runs:/RUN/naive_cnn")
	@PYTHONPATH=src $(BIN)/python -m dogs_vs_cats.app $(addprefix --env=,$(ENV)) $(addprefix --model=,$(MODELS))

.PHONY: clean-runs
clean-runs: ## Delete what runs have made: arrays, models, reports, the local tracking store
	@find data -mindepth 2 -not -name .gitkeep -not -path 'data/01_raw/*' -not -name '*.dvc' -delete
	@rm -rf mlflow.db mlartifacts .tracking_spool
