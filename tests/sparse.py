"""Copies of folders that keep holes: a store's block file is 20 GiB long and holds a few megabytes."""

from __future__ import annotations

import subprocess
from pathlib import Path


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder with all that is in it, as ``cp -a`` does it; ``target`` must not be there yet."""
    subprocess.run(["cp", "--archive", "--sparse=always", source, target], check=True, timeout=300)
