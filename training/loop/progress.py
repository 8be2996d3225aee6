"""Progress of a run on a terminal, and how it is stopped early."""

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
_ONE_PRESS_S = 1.0  # torchrun passes on the Ctrl-C that its processes get from the terminal too


class Stopped(BaseException):
    """The run was told to stop; its checkpoint is written.

    No :class:`Exception`, as ``KeyboardInterrupt`` is none: it may rise anywhere, and is not for whoever mends what fails there.
    """


class Stop:
    """A wish to stop, from SIGTERM (a pod that is moved) or SIGINT (Ctrl-C)."""

    def __init__(self) -> None:
        self._wish = threading.Event()
        self._is_immediate = False

    def is_set(self) -> bool:
        """Whether the wish was uttered."""
        return self._wish.is_set()

    def set(self) -> None:
        """Utter the wish."""
        self._wish.set()

    def leave(self) -> NoReturn:
        """End the run, by :class:`Stopped`."""
        raise Stopped

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """A block that a wish ends where it stands, by :class:`Stopped`: the same command does it all again."""
        self._is_immediate = True
        try:
            if self.is_set():
                self.leave()
            yield
        finally:
            self._is_immediate = False

    @classmethod
    @contextmanager
    def on_signals(cls) -> Iterator[Stop]:
        """A wish that the first SIGTERM or SIGINT utters; a later SIGINT interrupts as usual."""
        stop, uttered = cls(), 0.0

        def handle(number: int, _: FrameType | None) -> None:
            nonlocal uttered
            if stop.is_set():
                if number == signal.SIGINT and time.monotonic() - uttered > _ONE_PRESS_S:
                    raise KeyboardInterrupt
                return
            stop.set()
            uttered = time.monotonic()
            if stop._is_immediate:
                stop.leave()
            print(f"{signal.Signals(number).name}: a checkpoint is written, then the run ends", file=sys.stderr)

        before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield stop
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Bar:
    """A progress bar on a terminal; elsewhere a line now and then.

    Args:
        total: steps of the whole run.
        done: those behind.
        is_shown: whether a terminal gets it; of several processes only one has a bar.
    """

    def __init__(self, total: int, done: int, *, is_shown: bool = True) -> None:
        console = Console(stderr=True)
        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
        self._bar = Progress(*columns, console=console, disable=not (is_shown and console.is_terminal))
        self._task = self._bar.add_task("", total=total, completed=done)
        self._total, self._told = total, 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def expect(self, total: int) -> None:
        """From now on the run has so many steps."""
        self._total = total
        self._bar.update(self._task, total=total)

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
