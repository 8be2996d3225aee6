# Everything runs in a virtual environment beside this file; the first target makes it.
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
CEPH := radosgw ceph-mon ceph-osd ceph-common

IMAGES := classify ingest web mlflow training

.PHONY: run lock test-fast test test-cluster check setup setup-test ceph chromium promtool format clean images bench $(IMAGES:%=image-%) image-base test-images podman

run: $(VENV)/.local ceph  ## set up what is missing, then run the whole system until Ctrl-C
	@$(BIN)/cosmoformer up

test-fast: $(VENV)/.test check  ## what needs no server, in under two minutes
	$(BIN)/python -m pytest -m "not server and not slow" --numprocesses 2

# A file's tests share models, stores and systems that take long to make, so they stay together. In the order of the tree the
# longest files, with whole systems, do not come last, when one of the two processes may have nothing left to do.
test: setup-test check  ## install what the tests need, then run everything, on two cores
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

# Where the cluster, its images and a store are is told by variables: knative/runbook/testing.md.
test-cluster: $(VENV)/.test $(VENV)/bin/kubectl  ## install on a real Knative, use it, remove it
	COSMOFORMER_TEST_CLUSTER=1 $(BIN)/python -m pytest tests/cluster -v -rP

check: $(VENV)/.test  ## style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.test  ## apply the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: $(VENV)/.local

setup-test: $(VENV)/.test $(VENV)/bin/kubectl ceph chromium promtool

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

$(VENV)/.local: $(VENV)/.torch pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[local]'
	@touch $@

$(VENV)/.test: $(VENV)/.local pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test]'
	@# Its own dependencies are half a gigabyte, of which the catalogue of GZ2 needs none.
	$(BIN)/pip install --quiet --no-deps --constraint constraints.txt galaxy-datasets
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

# Without it the tests of the alert rules are skipped.
promtool:
	-@command -v promtool >/dev/null || \
	  sh tools/install-packages.sh "Prometheus, for the tests of the alert rules" "PATH to a folder with a promtool" prometheus

# Container images (docs/images.md): BASE, ISOLATION, TORCH_INDEX_URL, IMAGE_PREFIX, IMAGE_TAG, ENGINE.
images:  ## build all images
	@$(PYTHON) tools/build_images.py

$(IMAGES:%=image-%): image-%:
	@$(PYTHON) tools/build_images.py $*

# The shell reads BASE: as a variable of this target, make would keep that of the environment from all others.
image-base:  ## make a base for them from Debian's packages, where no registry can be reached
	@sh tools/debian_base.sh "$${BASE:-localhost/debian-python:bookworm}"

test-images: $(VENV)/.test ceph podman  ## start the images that were built, as a cluster would
	$(BIN)/python -m pytest tests/images/check_images.py

bench: $(VENV)/.bench ceph  ## measure everything, against its references, on a quiet machine; the results are in benchmarks/results
	$(BIN)/python -m benchmarks

$(VENV)/.bench: $(VENV)/.local pyproject.toml
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[bench]'
	@# It pins many packages to versions of its own; where that cannot be done, it is left out of the comparison.
	-$(BIN)/pip install --quiet 'bentoml>=1.4,<2'
	@touch $@

podman:
	@command -v podman >/dev/null || \
	  sh tools/install-packages.sh "podman, for the tests of the images" "PATH to a folder with a podman" podman runc

lock: $(VENV)/.test  ## choose the newest versions that go together, for every Python that is supported
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --no-emit-index-url --no-annotate \
	  --custom-compile-command 'make lock' --quiet --upgrade --output-file constraints.txt

clean:  ## remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache test-artifacts
