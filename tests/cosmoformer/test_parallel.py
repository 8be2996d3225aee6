"""Streams worked on several items at a time."""

from __future__ import annotations

import itertools
import threading

import pytest

from cosmoformer.parallel import map_stream


def test_outcomes_keep_the_order_of_the_items() -> None:
    """Outcomes come in the order of the items, whichever is ready first."""
    first_may_end = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert first_may_end.wait(10)
        else:
            first_may_end.set()
        return number * number

    assert list(map_stream(work, range(20), workers=2)) == [number * number for number in range(20)]


def test_endless_items_are_taken_only_as_far_as_needed() -> None:
    """At most twice as many items as workers are taken ahead of what was asked for."""
    taken = itertools.count()
    stream = map_stream(lambda number: number, taken, workers=4)
    assert list(itertools.islice(stream, 10)) == list(range(10))
    assert next(taken) <= 10 + 2 * 4


def test_error_is_raised_at_its_item() -> None:
    """What the work raises reaches the caller after the outcomes before it."""
    stream = map_stream(lambda number: 1 // number, [1, 1, 0, 1], workers=2)
    assert [next(stream), next(stream)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(stream)


def test_what_is_quick_is_done_at_once_and_in_its_place() -> None:
    """Quick items need no other thread; the order is that of the items, and errors stand at theirs."""
    here = threading.get_ident()

    def work(number: int) -> tuple[int, bool]:
        return 6 // (number - 6), threading.get_ident() == here

    stream = map_stream(work, range(7), workers=2, is_quick=lambda number: number % 2 == 0)
    assert [next(stream)[1] for _ in range(6)] == [True, False, True, False, True, False]
    with pytest.raises(ZeroDivisionError):
        next(stream)
