"""The project as a wheel, in an environment of its own and an empty folder: no checkout is needed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from tests.e2e.running_system import RunningSystem

ROOT = Path(__file__).parents[2]
_SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "cosmoformer", "functions", "training", "web")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built from a copy: building writes beside the sources."""
    folder = tmp_path_factory.mktemp("sources")
    for name in _SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    program = "from setuptools import build_meta; build_meta.build_wheel('.')"
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True, capture_output=True)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter of an environment that has the wheel, and beneath it the packages that the tests run with."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    installed = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    # Only the folder: the .pth files in it, of the checkout's own installation among them, are not read.
    (installed / "beneath.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return str(folder / "bin" / "python")


@pytest.fixture(scope="module")
def system(python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """``cosmoformer up`` of the wheel, started in an empty folder."""
    options = {"SWEEP_EVERY_SECONDS": "0"}
    running = RunningSystem(
        tmp_path_factory.mktemp("data"), options, python, cwd=tmp_path_factory.mktemp("somewhere-else")
    )
    try:
        running.start()
        yield running
    finally:
        running.stop()


def test_what_runs_is_the_wheel(python: str, tmp_path: Path) -> None:
    """Nothing is imported from the checkout."""
    program = (
        "import json, cosmoformer, functions, training; print(json.dumps([cosmoformer.__file__, functions.__file__]))"
    )
    done = subprocess.run([python, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert not any(Path(file).is_relative_to(ROOT) for file in json.loads(done.stdout))


def test_the_samples_are_classified(system: RunningSystem) -> None:
    """The bundled model and the sample galaxies travel in the wheel."""
    keys = [info.key for info in system.store.list(system.settings.images_bucket, "samples/")]
    assert len(keys) == 8
    found = system.wait_for_results(keys)
    assert {result["status"] for result in found.values()} == {"classified"}


def test_the_page_is_served(system: RunningSystem) -> None:
    """Its files, its modules and its pictures travel in the wheel too."""
    page = f"http://127.0.0.1:{system.settings.page_port}"
    answers = {
        path: urllib3.request("GET", page + path).status
        for path in ("/", "/style.css", "/js/main.js", "/shapes/spiral.webp", "/config.json")
    }
    assert set(answers.values()) == {200}, answers


def test_the_wheel_holds_no_build_instructions(wheel: Path) -> None:
    """The page is installed as its visitors get it."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert not [name for name in names if "Containerfile" in name or name.startswith(("tests", "benchmarks", "tools"))]
