"""In a builder stage: remove what no image needs at run time, compile the rest, and let everybody read it.

python3 slim.py [--keep-headers] FOLDER...
"""

from __future__ import annotations

import compileall
import py_compile
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

_TESTS = ("tests", "torch/test", "torch/bin/test_*")
#: Packages that import their own tests.
_IMPORTED_TESTS = ("astropy/tests",)
#: Only compilers read these.
_HEADERS = ("include", "*.a", "*.h", "*.hpp", "*.pxd", "*.pyx", "torch/bin/protoc*", "torch/share")
#: Only type checkers read these.
_STUBS = ("*.pyi",)
#: Of the 440 services that botocore describes: the store, its topics, and what gives keys on Amazon's own clusters.
SERVICES = ("s3", "sns", "sts")


def unneeded(folder: Path, keep_headers: bool) -> Iterator[Path]:
    """Files and folders that nothing opens at run time."""
    for pattern in (*_TESTS, *_STUBS, *(() if keep_headers else _HEADERS)):
        for path in folder.rglob(pattern):
            if not path.as_posix().endswith(_IMPORTED_TESTS):
                yield path
    for path in folder.rglob("botocore/data/*/"):
        if path.is_dir() and path.name not in SERVICES:
            yield path


def compile_all(folder: Path) -> None:
    """Write a .pyc for each .py that compiles; templates that only look like Python do not.

    The .pyc are never compared with their source again: the file system is read-only, and a start has thousands of them.
    """
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(folder, quiet=2, force=True, workers=0, invalidation_mode=mode, maxlevels=50)


def let_all_read(folder: Path) -> None:
    """Whoever checked the project out may have kept the files to himself, but containers run as anybody."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            runs = path.is_dir() or mode & stat.S_IXUSR
            path.chmod(0o755 if runs else 0o644)


def main(arguments: list[str]) -> None:
    """Slim folders down."""
    keep_headers = arguments[:1] == ["--keep-headers"]
    for folder in map(Path, arguments[keep_headers:]):
        for path in list(unneeded(folder, keep_headers)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)  # gone with its folder
        compile_all(folder)
        let_all_read(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
