"""Memory of processes that answer many requests in threads."""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8  # of glibc's malloc.h


def use_one_arena() -> None:
    """Have all threads take memory from one place; to be called before they start.

    The GNU C library gives each thread an arena of its own, and what one frees there no other can use: a process whose threads
    now and then read a body of megabytes grows for hours (mallopt(3), M_ARENA_MAX). Other C libraries have no such thing. Where
    predictions are computed it would cost half as much time again, for tensors of megabytes that come and go.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
