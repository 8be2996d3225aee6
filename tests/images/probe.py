"""Run inside a container: what a process there is and may do, and what the image is made of, as JSON on standard output.

Uses the standard library only, and that of the image's Python.
"""

from __future__ import annotations

import importlib.util
import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import which

_MOUNTED = {"/dev", "/proc", "/sys", "/tmp"}


def files() -> Iterator[Path]:
    """Every file and folder of the image that is no link."""
    for folder, folders, names in os.walk("/"):
        folders[:] = [name for name in folders if str(Path(folder, name)) not in _MOUNTED]
        for name in (*folders, *names):
            path = Path(folder, name)
            if not path.is_symlink():
                yield path


def uncompiled() -> Iterator[str]:
    """Modules that compile, where Python looks for modules, and are not compiled."""
    for place in {Path(place).resolve() for place in sys.path if Path(place).is_dir()}:
        for path in place.rglob("*.py"):
            if path.is_relative_to("/tmp") or Path(importlib.util.cache_from_source(str(path))).exists():
                continue
            try:
                compile(path.read_bytes(), path, "exec")
            except (SyntaxError, ValueError):  # a template
                continue
            yield str(path)


def writable_root() -> list[str]:
    """Folders in which a file could be made although nothing should be writable but /tmp."""
    done = []
    for folder in ("/", "/app", "/opt/venv", "/var/tmp", "/run", "/etc", "/usr", "/home", "/root"):
        try:
            Path(folder, "probe").touch()
        except OSError:
            continue
        done.append(folder)
    return done


def main() -> None:
    """Print what was found."""
    everything = list(files())
    modes = {path: path.stat().st_mode for path in everything}
    found = {
        "uid": os.getuid(),
        "gid": os.getgid(),
        "process_uids": sorted({path.stat().st_uid for path in Path("/proc").glob("[0-9]*")}),
        "writable_root": writable_root(),
        "writable": [str(path) for path in everything if os.access(path, os.W_OK)],
        "set_id": [str(path) for path, mode in modes.items() if mode & (stat.S_ISUID | stat.S_ISGID)],
        "installers": [name for name in ("pip", "ensurepip") if importlib.util.find_spec(name)]
        + [name for name in ("pip", "pip3", "uv") if which(name)]
        + [str(path) for path in everything if path.name.startswith("pip-")],
        "uncompiled": sorted(uncompiled()),
        "tmp_writable": os.access("/tmp", os.W_OK),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
