"""One process a folder: a lock that goes with the process, however that ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from cosmoformer.errors import PermanentError


def take_lock(folder: Path, taken: PermanentError) -> IO[str]:
    """Take a folder's lock, for as long as the returned file stays open.

    Raises:
        PermanentError: ``taken``, when another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise taken from None
    return lock


@contextmanager
def holding(folder: Path, taken: PermanentError) -> Iterator[None]:
    """Hold a folder's lock within the block; see :func:`take_lock`."""
    with take_lock(folder, taken):
        yield
