"""The Containerfiles, read: what they build on, copy, name and start."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from cosmoformer.settings import SETTINGS
from tests.images.containerfiles import ROOT, Containerfile, ignore_patterns, ignored, parse
from tests.images.imports import needed_packages
from tools.build_images import CONTAINERFILES, reference
from tools.images.install import requirements
from tools.images.slim import SERVICES

#: What Python, shells, our own server and MLflow read.
_OTHER_VARIABLES = {"HOME", "HOST", "MLFLOW_HOST", "PATH", "PORT", "USER"}
_PYTHON_VARIABLE = re.compile(r"PYTHON[A-Z]+")
_LABELS = {"title", "description", "licenses", "version", "revision"}
_every_image = pytest.mark.parametrize("name", CONTAINERFILES)


#: Manifest of each Service, below knative/.
_SERVICES = {"classify": "function/classify.yaml", "ingest": "base/ingest.yaml", "web": "base/web.yaml"}


def _read(name: str) -> Containerfile:
    return parse((ROOT / CONTAINERFILES[name]).read_text(encoding="utf-8"))


def _manifest(path: str, kind: str) -> dict[str, Any]:
    """The first container of the first object of a kind."""
    documents = yaml.safe_load_all((ROOT / "knative" / path).read_text(encoding="utf-8"))
    document = next(entry for entry in documents if entry["kind"] == kind)
    container: dict[str, Any] = document["spec"]["template"]["spec"]["containers"][0]
    return container


def test_names_are_those_of_the_manifests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every image of ours that the manifests name is built, under the very name and version, and no other is."""
    for variable in ("IMAGE_PREFIX", "IMAGE_TAG"):
        monkeypatch.delenv(variable, raising=False)
    component = yaml.safe_load((ROOT / "knative/components/images/kustomization.yaml").read_text(encoding="utf-8"))
    named = {i["name"]: f"{i['newName']}:{i['newTag']}" for i in component["images"] if "cosmoformer" in i["newName"]}
    assert {name: reference(name) for name in CONTAINERFILES} == named


def test_names_can_be_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """IMAGE_PREFIX and IMAGE_TAG change where images go and what they are called."""
    monkeypatch.setenv("IMAGE_PREFIX", "localhost:5000/trial")
    monkeypatch.setenv("IMAGE_TAG", "7")
    assert reference("web") == "localhost:5000/trial/web:7"


@_every_image
def test_base_is_an_argument(name: str) -> None:
    """Every stage is built on the argument BASE, whose default has a registry, a name and a version."""
    found = _read(name)
    assert [stage.base for stage in found.stages] == ["${BASE}", "${BASE}"]
    assert re.fullmatch(r"[\w.]+\.\w+/[\w./-]+:\d[\w.-]*", found.arguments["BASE"])


def test_there_is_one_default_base() -> None:
    """All images share the layers of one base."""
    assert len({_read(name).arguments["BASE"] for name in CONTAINERFILES}) == 1


@_every_image
def test_user_is_a_number_in_group_0(name: str) -> None:
    """The image runs as a number other than 0, which a cluster may exchange for any other, in the group that clusters use."""
    user, group = _read(name).final.last("USER").split(":")
    assert int(user) > 0
    assert group == "0"


@_every_image
def test_nothing_is_latest(name: str) -> None:
    """No version is left to the day of the build."""
    assert "latest" not in (ROOT / CONTAINERFILES[name]).read_text(encoding="utf-8")


@_every_image
def test_sources_reach_the_build(name: str) -> None:
    """What is copied exists, and .containerignore lets it into the build context."""
    patterns = ignore_patterns()
    for stage in _read(name).stages:
        for source in stage.copied():
            assert (ROOT / source).exists(), source
            assert not ignored(source, patterns), source


@pytest.mark.parametrize(
    "path",
    [
        ".git",
        ".venv/bin/python",
        ".cache/x",
        "tools/images/.mypy_cache/x",
        "tests",
        "runs/a",
        "docs",
        "cosmoformer/__pycache__/a.pyc",
        "mlflow",
        "a",
    ],
)
def test_the_rest_stays_out(path: str) -> None:
    """History, environments, caches, tests and whatever else lies about is no part of the build context."""
    assert ignored(path, ignore_patterns())


@_every_image
def test_variables_are_known(name: str) -> None:
    """Every variable that an image sets is a setting, or one of those that Python and MLflow read."""
    settings = {setting.name for setting in SETTINGS}
    variables = set(_read(name).final.pairs("ENV"))
    assert {v for v in variables - settings - _OTHER_VARIABLES if not _PYTHON_VARIABLE.fullmatch(v)} == set()


@_every_image
def test_labels(name: str) -> None:
    """Every image says what it is, under which licence, and which version and commit it was made of."""
    labels = _read(name).final.pairs("LABEL")
    assert set(labels) == {f"org.opencontainers.image.{label}" for label in _LABELS}
    assert labels["org.opencontainers.image.title"] == f"CosmoFormer {name}"


@_every_image
def test_requirements_exist(name: str) -> None:
    """What a Containerfile installs are extras of pyproject.toml, and torch only where it is meant to be."""
    runs = " ".join(_read(name).stages[0].values("RUN"))
    extras = re.findall(r"install\.py (?!--project)([\w,-]*)", runs)[0]
    torch, others = requirements(ROOT / "pyproject.toml", extras)
    assert bool(torch) == (name in ("classify", "training"))
    assert any(requirement.startswith("boto3") for requirement in others)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("classify", "functions.classify.__main__"),
        ("ingest", "functions.ingest.__main__"),
        ("web", "cosmoformer.local.page"),
        ("training", "training.train"),
    ],
)
def test_packages_are_complete(name: str, module: str) -> None:
    """What the started module imports of the project is copied, also where another part of it is reused."""
    assert needed_packages(module) <= set(_read(name).stages[0].copied())


def test_services_are_kept() -> None:
    """Each service of a store that the code asks for by name stays described in the images."""
    code = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "cosmoformer").rglob("*.py"))
    asked = set(re.findall(r'service(?:: str)? ?= ?"(\w+)"', code))
    assert {"s3", "sns"} <= asked <= set(SERVICES)


def test_mlflow_is_of_one_version() -> None:
    """Server and clients are installed from the same range."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    ranges = {r for wanted in extras.values() for r in wanted if r.startswith("mlflow")}
    assert len(ranges) == 1


@pytest.mark.parametrize("name", ["classify", "ingest"])
def test_functions_are_started(name: str) -> None:
    """A function's image starts the function as `cosmoformer up` does; the manifests name no command."""
    final = _read(name).final
    assert "command" not in _manifest(_SERVICES[name], "Service")
    assert final.argv("CMD") == ["python", "-m", f"functions.{name}"]
    assert final.argv("ENTRYPOINT") == []


@pytest.mark.parametrize("name", ["classify", "ingest", "web"])
def test_ports_are_those_of_the_manifests(name: str) -> None:
    """A Service's image listens on the port that Knative assumes, at every address."""
    final, container = _read(name).final, _manifest(_SERVICES[name], "Service")
    port = str(container.get("ports", [{"containerPort": 8080}])[0]["containerPort"])
    assert (final.pairs("ENV")["PORT"], final.last("EXPOSE")) == (port, port)
    assert final.pairs("ENV")["HOST"] == "0.0.0.0"


def test_commands_are_those_of_the_manifests() -> None:
    """MLflow's and training's images start by themselves what the manifests start."""
    assert _read("mlflow").final.argv("CMD") == _manifest("components/mlflow/mlflow.yaml", "Deployment")["command"]
    training = _manifest("components/gpu-training/training.yaml", "Job")["command"]
    assert _read("training").final.argv("ENTRYPOINT") == training


def test_mlflow_stays_importable() -> None:
    """The folder mlflow/ must not become a package that hides MLflow's."""
    assert not list((ROOT / "mlflow").glob("**/*.py"))


def test_unknown_instructions_are_refused() -> None:
    """What these tests could not judge does not pass them: an ADD, for example."""
    with pytest.raises(ValueError, match="ADD"):
        parse("FROM a\nADD file /\n")


def test_containerfiles_stand_beside_what_they_hold() -> None:
    """There is one Containerfile for each image, and none that nobody builds."""
    found = {path.relative_to(ROOT) for path in ROOT.glob("*/**/Containerfile") if ".venv" not in path.parts}
    assert found == {Path(path) for path in CONTAINERFILES.values()}
