# Two commands do everything on a fresh machine with Python >= 3.10, a C compiler and make:
#
#   make demo     train a CNN on real handwritten digits and draw what it learned
#   make test     run the test suite
#
# Both make .venv, install into it what they need, and rebuild the C kernels when they changed.
# Others: make dev (incremental build for working on the C code), make bench, make docs, make lint,
# make peers (a second environment with PyTorch, JAX and Keras to compare with), make sanitize (the
# tests under the address and undefined-behaviour sanitizers), make sanitize-threads (data races),
# make clean.

PYTHON ?= python3
VENV ?= .venv
PEERS ?= .venv-peers
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check

# What the compiled module is made of: an installation older than any of these is renewed.
SOURCES = pyproject.toml setup.py \
	$(shell find csrc tinygrad_cn -name '*.[ch]' -o -name '*.py[xd]' -o -name '*.pxi' | grep -v _core.c)

.PHONY: demo test sanitize sanitize-threads bench docs dev lint typecheck format peers clean help
.DELETE_ON_ERROR:

help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.demo
	$(BIN)/python -m tinygrad_cn demo

test: $(VENV)/.test
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cython-lint tinygrad_cn
	$(BIN)/clang-format --dry-run -Werror $$(find csrc benchmarks -name '*.[ch]')

typecheck: $(VENV)/.test
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $$(find csrc benchmarks -name '*.[ch]')

# A build of its own under build/sanitize, with gcc, first on the path (the tests import each other
# from here, and the package looks for the examples beside itself). pytest leaves the C code's stderr
# alone, and the target fails when a report is among it. Python itself leaks on purpose, so leaks are
# not looked for. The build takes minutes, the tests several times as long as usual.
SANITIZE = -fsanitize=address,undefined -fno-omit-frame-pointer
sanitize: $(VENV)/.test
	CC=gcc CFLAGS="$(SANITIZE)" LDFLAGS="$(SANITIZE)" TINYGRAD_CN_DEBUG=1 $(BIN)/python setup.py -q \
		build --build-base build/sanitize --build-lib build/sanitize/lib
	ln -sfn "$(CURDIR)/examples" build/sanitize/lib/examples
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
		ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
		PYTHONPATH="$(CURDIR)/build/sanitize/lib:$(CURDIR)" $(BIN)/pytest -q --capture=sys $(PYTEST_ARGS) \
		2> build/sanitize/stderr || { cat build/sanitize/stderr; exit 1; }
	@! grep -A 20 -e 'runtime error' -e 'ERROR: AddressSanitizer' build/sanitize/stderr

# The same for data races, in what threads share: handing out tasks, replaying plans, the allocator.
sanitize-threads: $(VENV)/.test
	CC=gcc CFLAGS="-fsanitize=thread" LDFLAGS="-fsanitize=thread" TINYGRAD_CN_DEBUG=1 \
		$(BIN)/python setup.py -q build --build-base build/tsan --build-lib build/tsan/lib
	LD_PRELOAD="$$(gcc -print-file-name=libtsan.so)" TINYGRAD_CN_NUM_THREADS=4 OPENBLAS_NUM_THREADS=1 \
		PYTHONPATH="$(CURDIR)/build/tsan/lib:$(CURDIR)" setarch -R $(BIN)/pytest -q --capture=sys -p no:cacheprovider \
		tests/test_threads.py tests/test_alloc.py tests/test_plan_passes.py tests/test_jit.py \
		tests/test_jit_training.py $(PYTEST_ARGS) \
		2> build/tsan/stderr || { cat build/tsan/stderr; exit 1; }
	@! grep -A 20 -e 'WARNING: ThreadSanitizer' build/tsan/stderr

# The benchmarks compare with NumPy, and with PyTorch too where `make peers` has been run.
bench: $(VENV)/.test
	$(if $(wildcard $(PEERS)/.peers),$(PEERS)/bin/python,$(BIN)/python) -m benchmarks $(BENCH_ARGS)

# The programs of the documents are run, then docs/_build/html holds the site.
docs: $(VENV)/.docs
	$(BIN)/python -m pytest -q tests/test_docs.py -k "page and not docstrings"
	$(BIN)/python -m sphinx -q -W --keep-going docs docs/_build/html

# An incremental build in place: seconds, where an installation compiles everything again.
dev: $(VENV)/.dev
	$(BIN)/python setup.py -q build_ext --inplace
	@touch $(VENV)/.test $(VENV)/.demo

peers: $(PEERS)/.peers

$(VENV)/.demo: $(SOURCES) | $(BIN)/python
	$(PIP) install --quiet --editable '.[demo]'
	@touch $@

$(VENV)/.test: $(SOURCES) | $(BIN)/python
	$(PIP) install --quiet --editable '.[demo,test,lint]'
	@touch $@ $(VENV)/.demo

$(VENV)/.docs: $(SOURCES) | $(BIN)/python
	$(PIP) install --quiet --editable '.[demo,test,docs]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --editable '.[demo,test,lint]'
	@touch $@

# PyTorch's own index has the build without CUDA: 200 MB instead of 3 GB.
$(PEERS)/.peers: pyproject.toml | $(PEERS)/bin/python
	$(PEERS)/bin/python -m pip install --quiet --editable '.[demo,test,peers]' \
		--extra-index-url https://download.pytorch.org/whl/cpu
	@touch $@

%/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo 'tinygrad_cn needs Python 3.10 or newer; this is:'; $(PYTHON) --version; exit 1; }
	@$(PYTHON) -m venv $* || \
		{ rm -rf $*; echo 'No virtual environment could be made (Debian: apt install python3-venv).'; exit 1; }

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .benchmarks
	find tinygrad_cn -name '*.so' -delete
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
	rm -f tinygrad_cn/kernels/_core.c $(VENV)/.demo $(VENV)/.test $(VENV)/.dev $(VENV)/.docs
