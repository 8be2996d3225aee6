"""The locked versions are those of what the project asks for."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13")


def locked(python: str) -> dict[str, str]:
    """Version by package name, for a Python on Linux."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    return {
        canonicalize_name(requirement.name): str(requirement.specifier).removeprefix("==")
        for requirement in found
        if requirement.marker is None or requirement.marker.evaluate(environment)
    }


def wanted() -> list[Requirement]:
    """What pyproject.toml asks for, in all extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    texts = [*project["dependencies"], *(text for extra in project["optional-dependencies"].values() for text in extra)]
    return [requirement for text in texts if (requirement := Requirement(text)).name != project["name"]]


@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_is_locked_to_a_version_that_it_allows(python: str) -> None:
    """For each Python that is supported; `make lock` brings the file up to date."""
    versions = locked(python)
    problems = [
        f"{requirement}: locked is {versions.get(canonicalize_name(requirement.name), 'none')}"
        for requirement in wanted()
        if not requirement.specifier.contains(
            versions.get(canonicalize_name(requirement.name), "0.dev0"), prereleases=True
        )
    ]
    assert problems == []


def test_supported_pythons_are_declared() -> None:
    """The classifiers name the Pythons that the lock is for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {text.rpartition(" ")[2] for text in project["classifiers"] if "Python :: 3." in text}
    assert declared == set(PYTHONS)
    assert project["requires-python"] == f">={PYTHONS[0]}"
