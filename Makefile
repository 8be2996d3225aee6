# Everything runs in a virtual environment beside this file; the first target makes it.
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
CEPH := radosgw ceph-mon ceph-osd ceph-common

.PHONY: run test check setup setup-test ceph chromium format clean

run: $(VENV)/.local ceph  ## set up what is missing, then run the whole system until Ctrl-C
	@$(BIN)/cosmoformer up

test: setup-test check  ## install what the tests need, then run everything
	$(BIN)/python -m pytest

check: $(VENV)/.test  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.test  ## apply the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: $(VENV)/.local

setup-test: $(VENV)/.test $(VENV)/bin/kubectl ceph chromium

# torch first and by itself, at the version that artifacts are made with, from pip's default index. Whether that has a build
# without CUDA depends on the platform; PIP_EXTRA_INDEX_URL, or pip's configuration, can name an index of CPU builds.
$(VENV)/.torch:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version). Choose one: make run PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  sh tools/install-packages.sh "Python's venv module" "PYTHON to one that has it" python3-venv
	@$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/pip install --quiet torch==2.13.0 || $(BIN)/pip install --quiet 'torch==2.13.*'
	@touch $@

$(VENV)/.local: $(VENV)/.torch pyproject.toml
	$(BIN)/pip install --quiet --editable '.[local]'
	@touch $@

$(VENV)/.test: $(VENV)/.local pyproject.toml
	$(BIN)/pip install --quiet --editable '.[test]'
	@# Its own dependencies are half a gigabyte, of which the catalogue of GZ2 needs none.
	$(BIN)/pip install --quiet --no-deps galaxy-datasets
	@touch $@

# The tests render knative/ with it; a fixed version, whatever kubectl the machine has.
$(VENV)/bin/kubectl: tools/install_kubectl.py | $(VENV)/.torch
	@echo "installing kubectl, for the tests of the manifests"
	$(BIN)/python $< $@

# Another S3 store (S3_ENDPOINT_URL) needs no Ceph. policy-rc.d keeps apt from starting Ceph's services.
ceph:
	@if [ -z "$$S3_ENDPOINT_URL" ] && ! { command -v radosgw && command -v ceph-mon && command -v ceph-osd && command -v ceph; } >/dev/null; then \
	  sh tools/install-packages.sh "Ceph, the object store" "S3_ENDPOINT_URL and its AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to use another S3 store" $(CEPH); fi

chromium:
	@command -v chromium >/dev/null || \
	  sh tools/install-packages.sh "Chromium, for the tests of the page" "PATH to a folder with a chromium; the page cannot be tested without it" chromium

clean:  ## remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache test-artifacts
