"""In a final stage, on the base's own files: no pip, compiled standard library, nothing to write to or to become root with.

python3 harden.py
"""

from __future__ import annotations

import os
import shutil
import stat
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from slim import compile_all

_SYSTEM = Path("/")
#: What the kernel or the container engine mounts, and the one place that stays writable.
_SKIPPED = {"/dev", "/proc", "/sys", "/tmp"}  # noqa: S108
#: Installers, and parts of the standard library that nothing here imports.
_REMOVED = ("pip", "pip-*", "ensurepip", "idlelib", "turtledemo", "test")
_EXECUTABLES = ("pip", "pip3", "pip3.*", "idle*")


def installers() -> Iterator[Path]:
    """What is removed of the base's Python."""
    places = {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
    for place in map(Path, sorted(places)):
        for pattern in _REMOVED:
            yield from place.glob(pattern)
    for pattern in _EXECUTABLES:
        yield from Path(sysconfig.get_path("scripts")).glob(pattern)
    yield from Path("/usr/share/python-wheels").glob("*")


def entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Everything on the folder's file system, links left out."""
    with os.scandir(folder) as listing:
        for entry in listing:
            if entry.is_symlink() or entry.path in _SKIPPED or os.path.ismount(entry.path):
                continue
            yield entry
            if entry.is_dir():
                yield from entries(Path(entry.path))


def main() -> None:
    """Harden this file system."""
    for path in installers():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    compile_all(Path(sysconfig.get_path("stdlib")))
    # The user of a pod is any number, in group 0: no one but root may write, and no program lends its owner's rights.
    unwanted = stat.S_ISUID | stat.S_ISGID | stat.S_IWGRP | stat.S_IWOTH
    for entry in entries(_SYSTEM):
        mode = stat.S_IMODE(entry.stat().st_mode)
        if mode & unwanted:
            Path(entry.path).chmod(mode & ~unwanted)


if __name__ == "__main__":
    main()
