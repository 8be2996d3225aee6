"""What is kept beside results: gathered by the way, and written in the background, many rows in one object.

An object for each image would cost a request an image, which is a tenth of all work on it. No result waits for this or fails
with it: while the store does not take rows they wait, so many at most, and a process that is killed loses those of its last
seconds.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from cosmoformer.errors import StoreRefused
from cosmoformer.storage.copies import MAX_ROWS

log = logging.getLogger(__name__)
Row = TypeVar("Row")

_MAX_WAITING = 20_000
_STOP_TIMEOUT_S = 5.0
_MAX_PAUSE_S = 300.0  # between tries while the store does not take them


class Background(Generic[Row]):
    """Rows that wait to be written.

    Args:
        name: the rows', for the log and the thread.
        write: writes one object with these rows, :data:`MAX_ROWS` at most.
        split: rows by the object that they belong in.
        every_s: how long rows are gathered for.
        at_least: so many are written together; fewer wait for more, or for the end.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[Sequence[Row]], None],
        split: Callable[[Sequence[Row]], Sequence[Sequence[Row]]],
        every_s: float,
        at_least: int = 1,
    ) -> None:
        self._name, self._write_rows, self._split = name, write, split
        self._every_s, self._at_least = every_s, at_least
        self._waiting: list[Row] = []
        self._changing = threading.Lock()
        self._pending, self._stopped = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Write from now on what is kept, in a thread of its own."""
        self._thread = threading.Thread(target=self._follow, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, which writes what is left a last time."""
        self._stopped.set()
        self._pending.set()
        if self._thread is not None:
            self._thread.join(_STOP_TIMEOUT_S)

    def keep(self, row: Row) -> None:
        """Have a row written soon; the oldest go where too many wait."""
        if self._thread is None:
            return
        with self._changing:
            self._waiting.append(row)
            del self._waiting[:-_MAX_WAITING]
        self._pending.set()

    def _follow(self) -> None:
        pause_s = self._every_s
        while not self._stopped.is_set():
            self._pending.wait()  # an idle process leaves the store alone
            self._stopped.wait(pause_s)
            self._pending.clear()
            pause_s = self._every_s if self._write() else min(2 * pause_s, _MAX_PAUSE_S)
        self._write()  # what was kept while the thread was writing

    def _write(self) -> bool:
        """Write what waits; whether the store was there for it."""
        with self._changing:
            if len(self._waiting) < self._at_least and not self._stopped.is_set():
                return True
            rows, self._waiting = self._waiting, []
        taken = True
        for part in filter(None, self._split(rows)):
            each = math.ceil(len(part) / math.ceil(len(part) / MAX_ROWS))  # about as many in each object
            for start in range(0, len(part), each):
                taken &= self._write_object(part[start : start + each])
        return taken

    def _write_object(self, rows: Sequence[Row]) -> bool:
        try:
            self._write_rows(rows)
        except StoreRefused as error:  # to try again would change nothing
            log.warning("%s are lost", self._name, extra={"images": len(rows), "problem": str(error)})
        except Exception as error:  # whatever it was, it costs no result
            log.warning("%s are not kept yet", self._name, extra={"images": len(rows), "problem": str(error)})
            with self._changing:
                self._waiting = [*rows, *self._waiting]
            self._pending.set()
            return False
        return True
