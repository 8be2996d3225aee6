"""Work on a long stream several items at a time, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def map_stream(
    work: Callable[[Item], Outcome],
    items: Iterable[Item],
    workers: int = 8,
    *,
    is_quick: Callable[[Item], bool] = lambda item: False,
) -> Iterator[Outcome]:
    """Outcomes in the order of the items; at most ``2 * workers`` items are taken ahead of what was yielded.

    ``Executor.map`` takes every item before it yields the first outcome, which a listing of a million keys does not bear.
    What ``is_quick``, and waits for nothing, is done in this thread, since to hand it over would take longer.

    Raises:
        Exception: whatever ``work`` raised, at the place of its item; what was begun is finished first.
    """
    under_way: deque[Callable[[], Outcome]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for item in items:
            under_way.append(partial(work, item) if is_quick(item) else pool.submit(work, item).result)
            if len(under_way) == 2 * workers:
                yield under_way.popleft()()
        while under_way:
            yield under_way.popleft()()
