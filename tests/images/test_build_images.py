"""The command that builds images: what it hands on of this machine, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.images.containerfiles import ROOT
from tools.build_images import local_paths, pip_options


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
