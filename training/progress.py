"""What a person sees of a run, and how they end it early."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_log = logging.getLogger(__name__)

_LINE_EVERY_S = 30.0  # where there is no terminal


class Stopped(Exception):
    """The run was told to stop; its checkpoint is written."""


class Stop:
    """A wish to stop, from SIGTERM (a pod that is moved) or SIGINT (Ctrl-C)."""

    def __init__(self) -> None:
        self._wish = threading.Event()

    def is_set(self) -> bool:
        """Whether the wish was uttered."""
        return self._wish.is_set()

    def set(self) -> None:
        """Utter the wish."""
        self._wish.set()

    def leave(self) -> NoReturn:
        """End the run, by :class:`Stopped`."""
        raise Stopped

    @classmethod
    @contextmanager
    def on_signals(cls) -> Iterator[Stop]:
        """A wish that the first SIGTERM or SIGINT utters; the second SIGINT interrupts as usual."""
        stop = cls()

        def handle(number: int, _: FrameType | None) -> None:
            stop.set()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            print(f"{signal.Signals(number).name}: a checkpoint is written, then the run ends", file=sys.stderr)

        before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield stop
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Bar:
    """A progress bar on a terminal; elsewhere a line now and then."""

    def __init__(self, total: int, done: int) -> None:
        console = Console(stderr=True)
        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=total, completed=done)
        self._total, self._told = total, 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, done: int, text: str) -> None:
        """Say where the run is."""
        self._bar.update(self._task, completed=done, description=text)
        if self._bar.disable and time.monotonic() - self._told > _LINE_EVERY_S:
            self._told = time.monotonic()
            _log.info("step %d/%d %s", done, self._total, text)

    def say(self, text: str) -> None:
        """Print a line that stays."""
        if self._bar.disable:
            _log.info(text)
        else:
            self._bar.console.print(text)
