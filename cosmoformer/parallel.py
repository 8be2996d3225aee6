"""Work on a long stream several items at a time, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

_MAX_AHEAD = 1000


def map_stream(
    work: Callable[[Item], Outcome],
    items: Iterable[Item],
    workers: int = 8,
    *,
    is_quick: Callable[[Item], bool] = lambda item: False,
) -> Iterator[Outcome]:
    """Outcomes in the order of the items; at most ``2 * workers`` items are taken ahead of what was yielded.

    ``Executor.map`` takes every item before it yields the first outcome, which a listing of a million keys does not bear.
    What ``is_quick``, and waits for nothing, is done in this thread, since to hand it over would take longer; such items do
    not count, and up to :data:`_MAX_AHEAD` of them are taken ahead too, so that the others are worked on meanwhile.

    Raises:
        Exception: whatever ``work`` raised, at the place of its item; what was begun is finished first.
    """
    ahead: deque[tuple[Callable[[], Outcome], bool]] = deque()  # what gives an outcome, and whether a worker does
    under_way = 0
    with ThreadPoolExecutor(workers) as pool:
        for item in items:
            slow = not is_quick(item)
            ahead.append((pool.submit(work, item).result if slow else partial(work, item), slow))
            under_way += slow
            while under_way == 2 * workers or len(ahead) > _MAX_AHEAD:
                outcome, slow = ahead.popleft()
                under_way -= slow
                yield outcome()
        while ahead:
            yield ahead.popleft()[0]()
