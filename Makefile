# Everything a person types here. Each target sets up what it needs by itself.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
SITE_CACHE := .dvc/tmp/site_cache
.NOTPARALLEL:
.PHONY: help install dev run test coverage test-fast test-slow verify lint docs audit soak lock readme bench bench-peers mlflow \
	app serve clean-runs

ifeq ($(OS),Windows_NT)
$(error This project runs on Linux and macOS. On Windows, install WSL2 and run the same commands there)
endif

# Three locks of one resolution: requirements.lock has what runs need, requirements-dev.lock adds tests, checks and docs,
# requirements-gpu.lock adds CUDA to both. The file .venv/.installed-LOCK names the one that is installed. It stays until
# a target needs more, or LOCK names another. A fourth lock, requirements-peers.lock, is for `make bench-peers` alone.
LOCK ?= $(or $(patsubst .venv/.installed-%,%,$(firstword $(wildcard .venv/.installed-*.lock))),requirements.lock)
DEV_LOCK := $(if $(filter requirements.lock,$(LOCK)),requirements-dev.lock,$(LOCK))

# Test files run side by side; many of them wait for processes that start.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile

export DO_NOT_TRACK := 1
export PYTHONUTF8 := 1

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-16s%s\n", $$1, $$2}'

install: .venv/.installed-$(LOCK) $(SITE_CACHE) ## Install what runs need into .venv (LOCK=requirements-gpu.lock for NVIDIA GPUs)

dev: .venv/.installed-$(DEV_LOCK) $(SITE_CACHE) ## Install what tests, checks, docs, kedro viz and Ray need, too

# uv installs a locked environment in seconds where pip takes minutes. pip installs uv itself, from the lock.
.venv/.installed-%: %
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Python 3.11, 3.12 or 3.13 is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Say which: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes \
		-r <(sed -n '/^uv==/,/^[^ ].*==/{/^uv==/p;/^ /p;}' $<)
	@rm -f .venv/.installed-*
	@$(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode --python $(BIN)/python $<
	@touch $@

# DVC unpickles what its site cache holds. By default that is a folder which every user of the machine may write to.
$(SITE_CACHE):
	@$(BIN)/dvc config --local core.site_cache_dir "$(CURDIR)/$@"
	@mkdir -p -m 700 $@

run: install ## Train, evaluate and compare the three approaches on generated sample images
	@$(BIN)/kedro run

test: dev ## Run all tests but the slow ones
	@$(BIN)/pytest $(PARALLEL) -m "not slow"

coverage: dev ## Likewise, and report the lines and branches that they cover, which takes nearly twice the time
	@$(BIN)/pytest $(PARALLEL) -m "not slow" --cov

test-fast: dev ## Run the tests that take less than five seconds each
	@$(BIN)/pytest $(PARALLEL) -m "not slow and not medium"

test-slow: dev ## Run the slow tests: killed runs, full disks, DVC queues, notebooks, browsers, real photos
	@$(BIN)/pytest $(PARALLEL) -m slow

verify: install ## Reproduce the sample in a temporary folder, and compare every byte with the committed dvc.lock
	@$(BIN)/kedro dvc verify

lint: dev ## Check style, types, layers and security
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PYTHONPATH=src $(BIN)/lint-imports --no-cache
	@$(BIN)/kedro dvc sync --check
	@$(BIN)/bandit --quiet --recursive src --configfile pyproject.toml

docs: dev ## Build the documentation site into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

audit: dev ## Check the locked packages against the known vulnerabilities (needs the network)
	@$(BIN)/python -m pip_audit --strict --require-hashes --disable-pip --requirement requirements-gpu.lock

soak: dev ## Kill 60 runs at random moments, and see that each costs nothing
	@$(BIN)/pytest tests/end_to_end/test_faults.py --kills=60 --timeout=7200 -s

# The smaller locks are resolved within the larger one, so that all agree on every version.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	--no-emit-index-url --no-emit-find-links
RESOLVE = $(COMPILE) --extra app pyproject.toml
lock: dev ## Renew the lock files from pyproject.toml
	@$(RESOLVE) --upgrade --extra viz --extra cluster --extra hub --extra export --extra cpu --group dev -o requirements-dev.lock
	@$(RESOLVE) --constraints requirements-dev.lock --extra cpu --group install -o requirements.lock
	@$(RESOLVE) --constraints requirements-dev.lock --extra viz --extra cluster --extra hub --extra export --extra gpu --group dev -o requirements-gpu.lock
	@$(COMPILE) --upgrade --constraints requirements-dev.lock --group peers -o requirements-peers.lock

readme: dev ## Renew what README.md, docs and their picture show of the sample, from one run (needs Chromium)
	@$(BIN)/python .ci/readme.py

bench: dev ## Measure speed and memory against the usual way (ROWS="augmentation lecture_run" for some rows)
	@TF_CPP_MIN_LOG_LEVEL=3 PYTHONPATH=src $(BIN)/python benchmarks/run.py $(ROWS)

bench-peers: dev .venv-peers/.installed ## Measure speed beside keras.io's way and PyTorch (PEERS="--only=training --quick")
	@PYTHONPATH=src $(BIN)/python benchmarks/run_peers.py $(PEERS)

# PyTorch's wheel for Linux on x86 loads NVIDIA's libraries when it is imported, also where there is no GPU.
.venv-peers/.installed: requirements-peers.lock
	@test -x .venv-peers/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python .venv-peers
	@$(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode --python .venv-peers/bin/python $<
	@touch $@

# MLflow's job runners are for language models, and occupy the cores.
mlflow: install ## Open the page that compares the runs, on http://127.0.0.1:5000
	@$(BIN)/kedro tracking pages
	@export MLFLOW_BACKEND_STORE_URI="$${MLFLOW_TRACKING_URI:-sqlite:///$(CURDIR)/mlflow.db}"; \
	case "$$MLFLOW_BACKEND_STORE_URI" in http*) ;; *) \
		MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow server --workers 1 \
			--host 127.0.0.1 --port 5000 --artifacts-destination "$(CURDIR)/mlartifacts";; \
	esac

app: install ## Open a page to drop photos on and to review labels, on http://127.0.0.1:7860 (ENV=lecture, PARAMS=experiment=NAME, MODELS="champion runs:/RUN/naive_cnn", CORRECTIONS=FILE.csv)
	@PYTHONPATH=src $(BIN)/python -m dogs_vs_cats.app $${ENV:+--env="$$ENV"} $${PARAMS:+--params="$$PARAMS"} $(addprefix --model=,$(MODELS)) $${CORRECTIONS:+--corrections="$$CORRECTIONS"}

serve: install ## Answer photos over HTTP with the champion, on http://127.0.0.1:5001/classify (ENV=lecture, PARAMS=experiment=NAME, MODEL=naive_cnn)
	@$(BIN)/kedro tracking serve $${ENV:+--env="$$ENV"} $${PARAMS:+--params="$$PARAMS"} $${MODEL:+--model="$$MODEL"}

clean-runs: ## Delete what runs have made: arrays, models, reports, the local tracking store
	@find data -mindepth 2 -not -type d -not -name .gitkeep -not -path 'data/01_raw/*' -not -name '*.dvc' -delete
	@find data -mindepth 2 -type d -empty -not -path 'data/01_raw/*' -delete
	@rm -rf mlflow.db* mlartifacts .tracking_outbox
