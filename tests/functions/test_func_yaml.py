"""func.yaml of both functions, and the distributions that the ``func`` CLI's builders make of their folders."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cosmoformer.settings import SETTINGS
from tests.contracts import contract
from tests.functions.under_middleware import ROOT

FOLDERS = {"classify": ROOT, "ingest": ROOT / "functions" / "ingest"}


def document(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FOLDERS[name] / "func.yaml").read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("name", FOLDERS)
def test_it_is_valid_by_every_schema(name: str) -> None:
    """Each version of the CLI that there is a schema of accepts the file."""
    schemas = sorted(contract("func").glob("func_yaml-schema.*.json"))
    assert len(schemas) == 2
    # As JSON, where a time is text; YAML reads one as a time.
    loaded = json.loads(json.dumps(document(name), default=lambda time: time.isoformat().replace("+00:00", "Z")))
    for schema in schemas:
        validator = jsonschema.Draft4Validator(
            json.loads(schema.read_text()), format_checker=jsonschema.FormatChecker()
        )
        validator.validate(loaded)


@pytest.mark.parametrize("name", FOLDERS)
def test_it_says_what_the_code_needs(name: str) -> None:
    """Version, name, runtime and probes are those of the code; every variable is a setting, every secret a reference."""
    loaded = document(name)
    assert (loaded["specVersion"], loaded["name"], loaded["runtime"]) == ("0.36.0", name, "python")
    assert loaded["deploy"]["healthEndpoints"] == {"liveness": "/health/liveness", "readiness": "/health/readiness"}
    assert (ROOT / "functions" / name / "function" / "__init__.py").is_file()
    values = {variable.get("name"): variable["value"] for variable in loaded["run"]["envs"]}
    assert set(values) - {None} <= {setting.name for setting in SETTINGS}
    secret = [setting.name for setting in SETTINGS if setting.secret and setting.name in values]
    assert secret and all(values[name].startswith("{{ secret:") for name in secret)


@pytest.mark.parametrize("name", FOLDERS)
def test_it_deploys_what_the_manifests_do(name: str) -> None:
    """Service account, scale, resources, ConfigMap and Secrets are those of the Service of the same name in knative/."""
    deployed, envs = document(name)["deploy"], document(name)["run"]["envs"]
    (manifest,) = (ROOT / "knative").glob(f"*/{name}.yaml")
    template = yaml.safe_load(manifest.read_text(encoding="utf-8"))["spec"]["template"]
    spec, container = template["spec"], template["spec"]["containers"][0]
    assert deployed["serviceAccountName"] == spec["serviceAccountName"]
    limits, scale = dict(deployed["options"]["resources"]["limits"]), deployed["options"]["scale"]
    assert limits.pop("concurrency") == spec["containerConcurrency"]
    assert {"limits": limits, "requests": deployed["options"]["resources"]["requests"]} == container["resources"]
    annotations = template["metadata"]["annotations"]
    for key, annotation in {"min": "min-scale", "max": "max-scale", "metric": "metric", "target": "target"}.items():
        assert str(scale[key]) == annotations[f"autoscaling.knative.dev/{annotation}"]
    assert str(scale["utilization"]) == annotations["autoscaling.knative.dev/target-utilization-percentage"]
    references = {f"{{{{ configMap:{source['configMapRef']['name']} }}}}" for source in container["envFrom"]}
    for variable in container["env"]:
        secret = variable.get("valueFrom", {}).get("secretKeyRef")
        if secret and not secret.get("optional"):  # which func has no word for
            references.add(f"{{{{ secret:{secret['name']}:{secret['key']} }}}}")
    assert {variable["value"] for variable in envs if "{{" in variable["value"]} == references


def metadata(folder: Path, environment: dict[str, str]) -> Any:
    """The metadata of the distribution that a builder makes of a folder."""
    program = "from setuptools import build_meta; print(build_meta.prepare_metadata_for_build_wheel('made'))"
    (folder / "made").mkdir()
    clean = {name: value for name, value in os.environ.items() if name != "COSMOFORMER_FUNC"}
    subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=clean | environment, check=True, capture_output=True
    )
    (found,) = folder.glob("made/*.dist-info")
    return Parser().parsestr((found / "METADATA").read_text(encoding="utf-8")), (found / "top_level.txt").read_text()


def wheel_files(folder: Path, environment: dict[str, str]) -> list[str]:
    """Names of the files in the wheel that a builder makes of a folder."""
    program = "from setuptools import build_meta; print(build_meta.build_wheel('.'))"
    subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=os.environ | environment, check=True, capture_output=True
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def sources(tmp_path: Path, *names: str) -> Path:
    """A copy of what a distribution's metadata is made from: building writes beside the sources."""
    folder = tmp_path / "sources"
    folder.mkdir()
    for name in names:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / Path(name).name)  # type: ignore[operator]
    return folder


def needs(found: Any) -> set[str]:
    """Names of what is installed with a distribution, extras apart."""
    return {line.split("=")[0].split(">")[0] for line in found.get_all("Requires-Dist") if "extra ==" not in line}


ROOT_SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "functions")


def test_the_root_is_built_as_a_function(tmp_path: Path) -> None:
    """With what func.yaml sets in the build, the root is a distribution ``function`` with that package and its needs."""
    environment = {variable["name"]: variable["value"] for variable in document("classify")["build"]["buildEnvs"]}
    found, packages = metadata(sources(tmp_path, *ROOT_SOURCES), environment)
    assert found["Name"] == "function"
    assert {"function", "functions"} <= set(packages.split())
    assert {"boto3", "flask", "torch", "pillow", "func-python"} <= needs(found)


def test_a_built_function_can_be_imported_by_its_scaffolding(tmp_path: Path) -> None:
    """``from function import new`` finds the package in what was built, although its folder is another's."""
    environment = {variable["name"]: variable["value"] for variable in document("classify")["build"]["buildEnvs"]}
    assert "function/__init__.py" in wheel_files(sources(tmp_path, *ROOT_SOURCES), environment)


def test_elsewhere_the_root_is_cosmoformer(tmp_path: Path) -> None:
    """For everybody else nothing is different: the usual name, no package ``function``, no needs of one function."""
    found, packages = metadata(sources(tmp_path, *ROOT_SOURCES), {})
    assert found["Name"] == "cosmoformer"
    assert "function" not in packages.split()
    assert not {"flask", "torch", "func-python"} & needs(found)


def test_ingest_is_built_as_a_function(tmp_path: Path) -> None:
    """Its folder is a distribution ``function`` that needs the very version of CosmoFormer that it is part of."""
    found, packages = metadata(sources(tmp_path, "functions/ingest") / "ingest", {})
    assert (found["Name"], packages.split()) == ("function", ["function"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert found.get_all("Requires-Dist") == [f"cosmoformer[func,ingest]=={project['version']}"]
    assert found["Requires-Python"] == project["requires-python"]
