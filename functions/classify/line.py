"""The queue in front of the model."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from cosmoformer.errors import Abandoned, Overloaded
from functions.classify import metrics, sender

T = TypeVar("T")


class Line:
    """A few requests at a time decode and predict, one on each CPU; a bounded number waits.

    One thread a prediction and as many predictions as CPUs do a third more images than all threads on one prediction after the
    other, at half the CPU time an image.
    """

    def __init__(self, at_once: int, length: int) -> None:
        self._most, self.inside = at_once + length, 0
        self._count = threading.Lock()
        self._began: dict[int, float] = {}
        self._workers = ThreadPoolExecutor(at_once, thread_name_prefix="predict")

    def turn_s(self) -> float:
        """Seconds that the longest of the present turns has lasted; 0 when there is none."""
        now = time.monotonic()
        return now - min(self._began.copy().values(), default=now)

    def run(self, work: Callable[[], T]) -> T:
        """Wait for one's turn, in the order of coming; then one of a few threads does the work, in the context of this one.

        As each thread keeps the memory that its largest tensors took, it must not be any of those that hold connections.

        Raises:
            Overloaded: too many wait already.
            Abandoned: the sender did not wait as long.
        """
        self._join()
        try:
            return self._workers.submit(copy_context().run, self._take_turn, work).result()
        finally:
            self._leave()

    def _take_turn(self, work: Callable[[], T]) -> T:
        if sender.is_gone():
            raise Abandoned("the sender closed its connection while the request waited for the model")
        self._began[threading.get_ident()] = time.monotonic()
        try:
            return work()
        finally:
            del self._began[threading.get_ident()]

    def _join(self) -> None:
        with self._count:
            if self.inside >= self._most:
                raise Overloaded(f"{self.inside} requests wait for the model already (PREDICTION_QUEUE)")
            self.inside += 1
            metrics.WAITING.set(self.inside)

    def _leave(self) -> None:
        with self._count:
            self.inside -= 1
            metrics.WAITING.set(self.inside)
