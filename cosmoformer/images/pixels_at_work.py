"""Memory while decoding: pixels that are decoded at once in this process are bounded, and what large pictures took is given back.

A file of a few kilobytes may hold a picture that takes hundreds of megabytes to decode, whatever its bytes; several at once would
take as many times more.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LARGE = 4 << 20  # pixels from which on memory is given back at once; doing so takes a few milliseconds


class PixelsAtWork:
    """Counts the pixels that threads of this process decode at present."""

    def __init__(self) -> None:
        self._turn = (
            threading.Lock()
        )  # of the one that waits, so that small pictures do not overtake a large one for ever
        self._changed = threading.Condition()
        self._pixels = 0

    @contextmanager
    def holding(self, pixels: int, most: int) -> Iterator[None]:
        """Wait until this many pixels, together with those at work, are ``most`` at most; hold them within the block.

        A picture of more than ``most`` by itself waits until no other is at work.
        """
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._pixels == 0 or self._pixels + pixels <= most)
            self._pixels += pixels
        try:
            yield
        finally:
            if pixels >= _LARGE:
                _give_back()
            with self._changed:
                self._pixels -= pixels
                self._changed.notify_all()

    def someone_waits(self) -> bool:
        """Whether a picture waits for its place."""
        return self._turn.locked()


def _give_back() -> None:
    """Return freed memory to the system; the C library of GNU keeps it for each thread otherwise."""
    if _malloc_trim is not None:
        _malloc_trim(0)


_malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
PIXELS_AT_WORK = PixelsAtWork()
