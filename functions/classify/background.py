"""What is kept beside results: gathered by the way, and written in the background, many rows in one object.

An object for each image would cost a request an image, which is a tenth of all work on it. No result waits for this or fails
with it: while the store does not take rows they wait, so many at most, and a process that is killed loses those of its last
seconds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from cosmoformer.errors import StoreRefused

log = logging.getLogger(__name__)
Row = TypeVar("Row")

_MOST_WAITING = 20_000
_MOST_ROWS = 2000  # of an object: two megabytes of vectors of the usual length
_LAST_WORDS_S = 5.0
_LONGEST_WAIT_S = 300.0  # between tries while the store does not take them


class Background(Generic[Row]):
    """Rows that wait to be written.

    Args:
        what: the rows' name, for the log and the thread.
        write: writes one object with these rows, :data:`_MOST_ROWS` at most.
        parts: rows by the object that they belong in.
        every_s: how long rows are gathered for.
    """

    def __init__(
        self,
        what: str,
        write: Callable[[Sequence[Row]], None],
        parts: Callable[[Sequence[Row]], Sequence[Sequence[Row]]],
        every_s: float,
    ) -> None:
        self._what, self._write_rows, self._parts, self._every_s = what, write, parts, every_s
        self._waiting: list[Row] = []
        self._changing = threading.Lock()
        self._some, self._stopped = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Write from now on what is kept, in a thread of its own."""
        self._thread = threading.Thread(target=self._follow, name=self._what, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, which writes what is left a last time."""
        self._stopped.set()
        self._some.set()
        if self._thread is not None:
            self._thread.join(_LAST_WORDS_S)

    def keep(self, row: Row) -> None:
        """Have a row written soon; the oldest go where too many wait."""
        if self._thread is None:
            return
        with self._changing:
            self._waiting.append(row)
            del self._waiting[:-_MOST_WAITING]
        self._some.set()

    def _follow(self) -> None:
        pause_s = self._every_s
        while not self._stopped.is_set():
            self._some.wait()  # an idle process leaves the store alone
            self._stopped.wait(pause_s)
            self._some.clear()
            pause_s = self._every_s if self._write() else min(2 * pause_s, _LONGEST_WAIT_S)
        self._write()  # what was kept while the thread was writing

    def _write(self) -> bool:
        """Write what waits; whether the store was there for it."""
        with self._changing:
            rows, self._waiting = self._waiting, []
        taken = True
        for part in self._parts(rows):
            for start in range(0, len(part), _MOST_ROWS):
                taken &= self._write_object(part[start : start + _MOST_ROWS])
        return taken

    def _write_object(self, rows: Sequence[Row]) -> bool:
        try:
            self._write_rows(rows)
        except StoreRefused as error:  # to try again would change nothing
            log.warning("%s are lost", self._what, extra={"images": len(rows), "problem": str(error)})
        except Exception as error:  # whatever it was, it costs no result
            log.warning("%s are not kept yet", self._what, extra={"images": len(rows), "problem": str(error)})
            with self._changing:
                self._waiting = [*rows, *self._waiting]
            self._some.set()
            return False
        return True
