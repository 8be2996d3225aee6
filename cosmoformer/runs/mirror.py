"""Live tracking: a run's folder is imported into MLflow again and again while training fills it."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Self

from cosmoformer.models.registry import Registry
from cosmoformer.runs.importing import RunImport

_log = logging.getLogger(__name__)
_http_log = logging.getLogger("urllib3.connectionpool")
_THREAD = "mirror"


class Mirror:
    """Imports a run's folder in the background, within a ``with`` block, and a last time at its end.

    Training never fails because of it: that MLflow cannot be reached is told once, and tried again; what it missed comes with
    the next import that succeeds. Finish the run's record before the block ends.

    Args:
        folder: the run's.
        registry: where to.
        every_s: pause between two imports, seconds.
    """

    def __init__(self, folder: Path, registry: Registry, every_s: float = 30.0) -> None:
        self._folder, self._import, self._every_s = folder, RunImport(registry, folder), every_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name=_THREAD, daemon=True)

    def __enter__(self) -> Self:
        _http_log.addFilter(_not_from_here)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        _http_log.removeFilter(_not_from_here)

    def _repeat(self) -> None:
        before = ""
        while not self._end.is_set():
            problem = self._try()
            if problem and not before:
                _log.warning("the run cannot be imported into MLflow now, which is tried again: %s", problem)
            elif before and not problem:
                _log.info("the run is imported into MLflow again")
            before = problem
            self._end.wait(self._every_s)
        if problem := self._try():
            advice = f"cosmoformer import-run {self._folder}"
            _log.warning("MLflow does not have the whole run: %s. Later, where it can be reached: %s", problem, advice)

    def _try(self) -> str:
        """Import, and say why that failed; empty when it did not."""
        try:
            self._import()
        except Exception as error:  # hours of training are worth more than any mistake in here
            return str(error).rstrip(".") or type(error).__name__
        return ""


def _not_from_here(record: logging.LogRecord) -> bool:
    """Drops urllib3's own warning of every attempt."""
    return record.threadName != _THREAD
