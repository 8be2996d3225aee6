"""The command that builds images: what it hands on of this machine, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.images.containerfiles import ROOT
from tools.build_images import CONTAINERFILES, local_paths, pip_options


def _build(*names: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools/build_images.py"), *names]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=60)


def test_pip_is_configured_as_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options come from pip's files and from its environment, which wins."""
    configuration = tmp_path / "pip.conf"
    configuration.write_text("[global]\nindex-url = https://one.example.com/simple\n[install]\ntrusted-host = b\n  c\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    monkeypatch.setenv("PIP_FIND_LINKS", "https://two.example.com/wheels")
    found = pip_options()
    assert found["index-url"] == "https://one.example.com/simple"
    assert found["find-links"] == "https://two.example.com/wheels"
    assert found["trusted-host"].split() == ["b", "c"]
    monkeypatch.setenv("PIP_INDEX_URL", "https://three.example.com/simple")
    assert pip_options()["index-url"] == "https://three.example.com/simple"


def test_local_files_of_pip_are_found(tmp_path: Path) -> None:
    """Folders and files of this machine that pip reads are mounted, an index with the files beside it; addresses are not."""
    wheels, index, certificate = tmp_path / "wheels", tmp_path / "mirror" / "simple", tmp_path / "ca.pem"
    wheels.mkdir()
    index.mkdir(parents=True)
    certificate.touch()
    options = {
        "find-links": f"{wheels} https://two.example.com/wheels",
        "extra-index-url": f"file://{index} file:///nowhere/simple",
        "cert": str(certificate),
        "timeout": "180",
    }
    assert set(local_paths(options)) == {wheels, index.parent, certificate}


def test_constraints_are_mounted_with_what_they_include(tmp_path: Path) -> None:
    """A file of constraints or requirements is mounted, and the files that it names, beside it or by a whole path."""
    constraints, beside, elsewhere = tmp_path / "constraints.txt", tmp_path / "torch.txt", tmp_path / "more" / "all.txt"
    elsewhere.parent.mkdir()
    elsewhere.write_text("flask<4\n")
    beside.write_text(f"torch==2.13.0\n--requirement={elsewhere}\n-r https://three.example.com/all.txt\n")
    constraints.write_text("numpy<3 # -c nothing.txt\n-c torch.txt  # and its own\n-c absent.txt\n")
    assert set(local_paths({"constraint": str(constraints)})) == {constraints, beside, elsewhere}
    assert set(local_paths({"requirement": f"file://{beside}"})) == {beside, elsewhere}


def test_paths_are_those_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that is meant from the folder where one types is a whole one in the builds, which run elsewhere."""
    (tmp_path / "constraints.txt").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_CONSTRAINT", "constraints.txt https://one.example.com/constraints.txt")
    assert pip_options()["constraint"].split() == [
        str(tmp_path / "constraints.txt"),
        "https://one.example.com/constraints.txt",
    ]


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """A program that writes down what it is asked, and the pip configuration that it is given."""
    program = tmp_path / "engine"
    program.write_text(
        f"""#!/bin/sh
printf '%s\\n' "$@" >>{tmp_path}/asked
for word in "$@"; do case $word in id=pip.conf,src=*) cat "${{word#*src=}}" >{tmp_path}/pip.conf;; esac; done
"""
    )
    program.chmod(0o755)
    return program


def test_engine_is_given_the_constraints(engine: Path, tmp_path: Path) -> None:
    """The build's pip reads the constraints, at the path that its configuration names."""
    constraints = tmp_path / "constraints.txt"
    constraints.touch()
    done = _build("web", ENGINE=str(engine), PIP_CONSTRAINT=str(constraints))
    assert done.returncode == 0, done.stderr
    assert f"{constraints}:{constraints}:ro" in (tmp_path / "asked").read_text().split()
    assert f"constraint = {constraints}\n" in (tmp_path / "pip.conf").read_text()


@pytest.mark.parametrize("target", ["images", *(f"image-{name}" for name in CONTAINERFILES)])
@pytest.mark.parametrize("said", ["environment", "argument"])
def test_base_reaches_every_target(target: str, said: str, engine: Path, tmp_path: Path) -> None:
    """Each image is built on BASE, whether it stands in the environment or behind `make`."""
    base = "localhost/other-base:7"
    command = ["make", target, f"PYTHON={sys.executable}", *([f"BASE={base}"] if said == "argument" else [])]
    environment = os.environ | {"ENGINE": str(engine)} | ({"BASE": base} if said == "environment" else {})
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=60)
    asked = (tmp_path / "asked").read_text().split("\n")
    assert asked.count(f"BASE={base}") == (len(CONTAINERFILES) if target == "images" else 1)


@pytest.mark.parametrize("said", ["environment", "argument", ""])
def test_base_names_the_one_that_is_made(said: str, tmp_path: Path) -> None:
    """`make image-base` makes the base under the name that the images are built on; it has one of its own."""
    (tmp_path / "sh").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "sh").chmod(0o755)
    base = "localhost/other-base:7"
    # Run by make itself, it would say which folder it works in.
    command = ["make", "--no-print-directory", "image-base", *([f"BASE={base}"] if said == "argument" else [])]
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    environment.pop("BASE", None)
    environment |= {"BASE": base} if said == "environment" else {}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == (base if said else "localhost/debian-python:bookworm")


def test_unknown_image() -> None:
    """A name that is no image's is refused, with those that are."""
    done = _build("classifier")
    assert done.returncode == 1
    assert "classifier" in done.stderr
    assert "classify, ingest, web, mlflow, training" in done.stderr


def test_failure_names_the_image() -> None:
    """When the engine fails, the last line says which image was being built."""
    done = _build("web", ENGINE="false")
    assert done.returncode == 1
    assert "building the image web failed" in done.stderr


def test_list() -> None:
    """The names can be asked for, to push them for example."""
    names = _build("--list", IMAGE_PREFIX="registry.example.com/a", IMAGE_TAG="7").stdout.split()
    assert "registry.example.com/a/ingest:7" in names
    assert len(names) == 5
