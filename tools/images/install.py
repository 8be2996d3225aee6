"""In a builder stage: install what an image needs, and the project, where the final stage copies them from.

    python3 install.py [EXTRA,... [UNUSED...]]    requirements of pyproject.toml and of some of its extras, into /opt/venv, less
                                                  those of their requirements that are never imported
    python3 install.py --project                  the project without its requirements, into /app

They are apart so that a change of the code makes a new layer of a few megabytes, and not one with torch in it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

VENV, APP, SOURCE = Path("/opt/venv"), Path("/app"), Path("/source")
_PIP = Path("/opt/pip")
_LOCKED = ("--constraint", str(SOURCE / "constraints.txt"))  # the same versions in every build


def requirements(pyproject: Path, extras: str) -> tuple[list[str], list[str]]:
    """What pyproject.toml asks for: torch and what must match its build, and the rest.

    Args:
        pyproject: the file.
        extras: names, separated by commas.

    Raises:
        KeyError: there is no such extra.
    """
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in filter(None, extras.split(",")):
        wanted += project["optional-dependencies"][extra]
    torch = [requirement for requirement in wanted if re.match(r"torch(vision)?\b", requirement)]
    return torch, [requirement for requirement in wanted if requirement not in torch]


def main(extras: str = "", *unused: str) -> None:
    """Install requirements, or the project."""
    if extras == "--project":
        _pip("install", "--no-compile", "--no-deps", "--target", str(APP), str(SOURCE))
        return
    _make_environments()
    torch, others = requirements(SOURCE / "pyproject.toml", extras)
    if torch:
        index = os.environ.get("TORCH_INDEX_URL", "")
        _pip("install", "--no-compile", *_LOCKED, *(["--index-url", index] if index else []), *torch)
    _pip("install", "--no-compile", *_LOCKED, *torch, *others)
    if unused:
        _pip("uninstall", "--yes", *unused)


def _make_environments() -> None:
    """One with pip, which stays behind, and one without, which becomes part of the image."""
    if find_spec("ensurepip") is None:  # Debian's Python comes without
        apt = "/usr/bin/apt-get"
        subprocess.run([apt, "update", "-qq"], check=True)
        subprocess.run([apt, "install", "-qq", "-y", "--no-install-recommends", "python3-venv"], check=True)
    subprocess.run([sys.executable, "-m", "venv", str(_PIP)], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(VENV)], check=True)


def _pip(*arguments: str) -> None:
    pip = [str(_PIP / "bin" / "pip"), "--python", str(VENV / "bin" / "python")]
    subprocess.run([*pip, *arguments, "--disable-pip-version-check", "--root-user-action", "ignore"], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
