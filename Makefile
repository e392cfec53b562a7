# Every target sets up what it needs by itself: a .venv, then the extras of pyproject.toml, each once.
.PHONY: demo test levels sanitize parity bench lint clean
# Two targets may ask for the same installation.
.NOTPARALLEL:

VENV := .venv
PY := $(VENV)/bin/python
CANDIDATES := python3 python python3.14 python3.13 python3.12 python3.11
CORES := $(shell getconf _NPROCESSORS_ONLN)
NATIVE := CMakeLists.txt $(wildcard src/rushlight/kernels/native/*.?pp)
# needs = the stamps of these extras; the stamp rules below install them.
needs = $(foreach extra,$(1),$(VENV)/.installed-$(extra))

demo: $(call needs,examples)
	$(PY) -m rushlight run examples/digits.py

test: $(call needs,examples test parity)
	$(PY) -m pytest -n auto

# The kernels for each instruction set that there is a module for, then everything without native kernels.
levels: $(call needs,examples test parity)
	for level in baseline avx2 avx512; do \
	    RUSHLIGHT_NATIVE_LEVEL=$$level $(PY) -m pytest -q -n auto tests/kernels || exit 1; \
	done
	RUSHLIGHT_NATIVE=0 $(PY) -m pytest -q -n auto

# Python itself is built without sanitizers, so that their libraries must be there before it; the leaks are its own.
sanitize: build/address/.installed build/thread/.installed
	LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libstdc++.so)" ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 \
	    UBSAN_OPTIONS=print_stacktrace=1 build/address/bin/python -m pytest -q tests/kernels
	LD_PRELOAD="$$($(CXX) -print-file-name=libtsan.so)" \
	    TSAN_OPTIONS=halt_on_error=1:die_after_fork=0:allocator_may_return_null=1:suppressions=tests/kernels/tsan.supp \
	    build/thread/bin/python -m pytest -q tests/kernels

parity: $(call needs,test parity)
	$(PY) -m tests.parity --optimizers
	$(PY) -m tests.parity --modules
	$(PY) -m tests.parity --jobs $(CORES)
	$(PY) -m tests.parity --forward --forward-over-reverse --batched --inplace --jobs $(CORES)

bench: $(call needs,parity)
	@$(MAKE) --no-print-directory $(call needs,bench) || echo 'JAX cannot be installed here: no column for it.' >&2
	$(PY) -m benchmarks

lint: $(call needs,lint)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check --quiet .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# A venv with a sanitized package; all else it finds in the ordinary one.
build/address/.installed: SANITIZE = address,undefined
build/thread/.installed: SANITIZE = thread
build/address/.installed build/thread/.installed: $(call needs,test)
	$(PY) -m venv --without-pip $(@D)
	$(PY) -c 'import site; print(*site.getsitepackages())' > $(@D)/path.txt
	mv $(@D)/path.txt "$$($(@D)/bin/python -c 'import site; print(*site.getsitepackages())')/ordinary.pth"
	$(PY) -m pip --python $(@D)/bin/python install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	    --config-settings build-dir=$(@D)/cmake --config-settings install.strip=false \
	    --config-settings cmake.define.RUSHLIGHT_SANITIZE=$(SANITIZE) .
	@ls $(@D)/lib/*/site-packages/rushlight/kernels/native/*.so >/dev/null  # or the pure Python package was installed
	@touch $@

# Without isolation, so that the native kernels are built once and not again for every extra.
$(VENV)/.installed-%: pyproject.toml $(NATIVE) | $(VENV)/.build-tools
	$(PY) -m pip install --quiet --disable-pip-version-check --no-build-isolation --editable '.[$*]'
	@touch $@

$(VENV)/.build-tools: pyproject.toml | $(VENV)/.created
	$(PY) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	    | $(PY) -m pip install --quiet --disable-pip-version-check cmake ninja --requirement /dev/stdin
	@touch $@

$(VENV)/.created:
	@for python in $(CANDIDATES); do \
	    if $$python -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "$$python -m venv $(VENV)"; $$python -m venv $(VENV) && touch $@; exit; \
	    fi; \
	done; \
	echo "Rushlight needs Python 3.11 or later with its venv module; tried: $(CANDIDATES)." >&2; exit 1

# The stamps are reached through patterns only; without this make would take them for intermediate files.
.SECONDARY:
