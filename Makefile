# Trainyard: two commands for a stranger (`make demo`, `make test`), the rest for those who work on it.
# Each target installs what it needs inside the tree (web/node_modules, .venv); nothing here needs a database or another service.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

CARGO  ?= cargo
VENV   := .venv
IMAGE  ?= trainyard
# Makes target/debug/trainyard as the tests have it; `cargo build` would choose other features and compile half of it again.
TEST_BINARY := $(CARGO) test --locked --no-run --test stories
# Empty when Node.js is missing or older than the dashboard's tools take.
NODE   := $(shell node -e 'const [a,b]=process.versions.node.split(".").map(Number); if (a>20||(a==20&&b>=19)) console.log(process.version)' 2>/dev/null)
WEB_SOURCES := $(shell find web -type f -not -path 'web/node_modules/*' -not -path 'web/dist/*' 2>/dev/null)

.PHONY: help demo test check fmt lint unit doc web e2e python bench bench-instructions bench-peers bench-keras bench-products soak fuzz examples image page clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: page ## build everything, start a server with sample data, train two models, keep serving
	$(CARGO) build --release --locked --bin trainyard
	./target/release/trainyard demo $(DEMO_ARGS)

# The page comes first: a new one makes cargo build the binary again.
test: fmt web lint unit doc python e2e ## every test there is
	@echo "make test: everything passed"

check: fmt lint ## formatting, lints and the rules between the rooms
	$(CARGO) test --locked --test tidy

fmt:
	$(CARGO) fmt --all --check

lint:
	$(CARGO) clippy --locked --all-targets -- -D warnings

unit: ## Rust tests: unit, numerics, stories against the real server, doc tests
	$(CARGO) test --locked

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps

# ---- the dashboard -------------------------------------------------------------------------------------------------

ifneq ($(NODE),)
page: web/dist/index.html

web/node_modules/.installed: web/package.json web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	touch $@

web/dist/index.html: web/node_modules/.installed $(WEB_SOURCES)
	cd web && npm run build
	touch $@

web: web/dist/index.html ## the dashboard: types, lints, unit tests, build
	cd web && npm run check && npm test

e2e: web/dist/index.html ## the dashboard in a real Chromium against a real server
	scripts/e2e
else
page:
	@echo "Node.js 20.19 or newer was not found: building without the dashboard page (the API is complete without it)."

web e2e:
	@if [ "$${CI:-}" = true ]; then echo "$@: Node.js 20.19 or newer was not found, and CI may not skip" >&2; exit 1; fi
	@echo; echo "!!! $@ SKIPPED: Node.js 20.19 or newer was not found"; echo
endif

# ---- Python: independent readers of what the server writes -----------------------------------------------------------

$(VENV)/.installed: tests/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

python: $(VENV)/.installed ## what others read: weights in numpy
	$(TEST_BINARY)
	TRAINYARD=target/debug/trainyard $(VENV)/bin/python -m pytest -q tests/python

# ---- figures, packages ---------------------------------------------------------------------------------------------

bench: ## start-up, memory, a small job; the queue, long curves, many watchers; then the micro-benchmarks; a large file (PYTHON=python3 reads it with pandas, too)
	$(CARGO) bench --locked --bench server
	$(CARGO) bench --locked --bench survival
	$(CARGO) bench --locked --bench loops
	$(CARGO) bench --locked --bench arithmetic
	$(CARGO) bench --locked --bench layers
	$(CARGO) bench --locked --bench ingest

bench-instructions: ## instruction counts of the small works, where valgrind is installed (a busy machine changes no count)
	scripts/instructions

BENCH_VENV := bench/.venv
KERAS_VENV := bench/.venv-keras

$(BENCH_VENV)/.installed: bench/requirements.txt
	python3 -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

# Of its own: TensorFlow and JAX want different versions of the same.
$(KERAS_VENV)/.installed: bench/requirements-keras.txt
	python3 -m venv $(KERAS_VENV)
	$(KERAS_VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

bench-peers: $(BENCH_VENV)/.installed ## training beside PyTorch, JAX and scikit-learn (BENCH_ARGS="--only W3 --threads 2")
	$(CARGO) build --release --locked --bin trainyard
	$(BENCH_VENV)/bin/python bench/run.py $(BENCH_ARGS)

bench-keras: $(KERAS_VENV)/.installed ## the same with Keras beside them, W1 to W3
	$(MAKE) bench-peers KERAS_PYTHON=$(abspath $(KERAS_VENV)/bin/python) BENCH_ARGS="--only W1,W2,W3 $(BENCH_ARGS)"

# OpenBLAS is the one that numpy brings, unless OPENBLAS names another.
bench-products: $(BENCH_VENV)/.installed ## our matrix product beside gemm, faer, matrixmultiply and OpenBLAS
	cd bench/products && OPENBLAS="$${OPENBLAS:-$$(ls $(abspath $(BENCH_VENV))/lib/python3*/site-packages/numpy.libs/libscipy_openblas*.so)}" \
	  $(CARGO) run --release --locked

.PHONY: bench-autotrain
bench-autotrain: ## autotrain beside scikit-learn's random search of 40 trials on the bundled data sets (BENCH_ARGS="iris wine")
	$(CARGO) build --release --locked --bin trainyard
	python3 bench/autotrain/compare.py $(BENCH_ARGS)

soak: ## kills the server at random moments under load (ROUNDS=300, SEED=), then checks every promise
	TRAINYARD_SOAK_ROUNDS=$${ROUNDS:-300} $${SEED:+TRAINYARD_SOAK_SEED=$$SEED} $(CARGO) test --locked --test stories soak -- --ignored --nocapture

fuzz: ## each parser of foreign bytes for ten minutes, with cargo-fuzz (SECONDS_EACH=600, TARGETS="csv json")
	scripts/fuzz

examples: ## the demonstrations of examples/: what each technique gains
	scripts/examples

image: ## the container image, with docker, podman or buildah
	scripts/image $(IMAGE)

clean: ## remove what was built (not the data directories)
	$(CARGO) clean
	rm -rf web/dist/assets web/dist/*.html web/dist/*.svg web/node_modules $(VENV) $(BENCH_VENV) $(KERAS_VENV) bench/data
