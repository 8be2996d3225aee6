"""Copies of results on their way to the bucket; see :mod:`cosmoformer.storage.copies`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cosmoformer.settings import Settings
from cosmoformer.storage.copies import MIN_ROWS, Copy, copy_of, write
from cosmoformer.storage.store import Store
from functions.classify.background import Background

_EVERY_S = 30.0


class Copies:
    """Copies that wait to be written. A process that judges few images before it ends keeps none.

    Args:
        settings: ``COPIES_PREFIX`` says where; where it is empty, nothing is kept.
        store: has the results bucket.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._prefix, self._store = settings.copies_prefix, store
        self._background = Background("copies", self._write, lambda rows: [rows], _EVERY_S, at_least=MIN_ROWS)

    def start(self) -> None:
        """Write from now on what is kept."""
        if self._prefix:
            self._background.start()

    def stop(self) -> None:
        """Write what is left, and no more."""
        self._background.stop()

    def keep(self, key: str, etag: str, result: Any) -> None:
        """Have a result that was written copied soon."""
        if self._prefix:
            self._background.keep(copy_of(key, etag, result))  # as text, which takes a quarter of the memory

    def _write(self, rows: Sequence[Copy]) -> None:
        latest = {copy.key: copy for copy in rows}
        if len(latest) >= MIN_ROWS:
            write(self._store, self._prefix, latest.values())
