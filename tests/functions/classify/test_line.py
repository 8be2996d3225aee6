"""The line before the model: how many predict at once, how many wait, and who is sent away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextvars import ContextVar

import pytest

from cosmoformer.errors import Abandoned, Overloaded
from functions.classify import sender
from functions.classify.line import Line


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_as_many_predict_at_once_as_there_are_places_and_one_too_many_is_refused_at_once() -> None:
    """Of two places and a queue of one the fourth request is refused without waiting; when a place is free the third gets it."""
    line, leave, inside = Line(at_once=2, length=1), threading.Event(), []

    def work() -> None:
        inside.append(threading.get_ident())
        assert leave.wait(10)

    workers = [threading.Thread(target=line.run, args=(work,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    until(lambda: len(inside) == 2 and line.inside == 3)
    with pytest.raises(Overloaded, match="3 requests"):
        line.run(work)
    assert len(inside) == 2
    assert line.turn_s() > 0
    leave.set()
    for worker in workers:
        worker.join(10)
    assert len(inside) == 3
    assert len(set(inside)) == 2, "more threads would keep more memory"
    assert (line.inside, line.turn_s()) == (0, 0)


def test_work_is_done_in_the_context_of_the_request() -> None:
    """What the request's thread has bound, such as the event's id for log lines, holds where the work is done."""
    bound = ContextVar("bound", default="nothing")
    bound.set("this request")
    assert Line(at_once=1, length=0).run(bound.get) == "this request"


def test_a_failure_gives_its_place_back() -> None:
    """Whatever is raised in a turn, the next request finds the place free."""
    line = Line(at_once=1, length=0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            line.run(lambda: 1 // 0)
    assert (line.inside, line.turn_s()) == (0, 0)


def test_whoever_has_gone_is_not_predicted_for() -> None:
    """A request whose connection is closed while it waits gives its turn to the next; one that is still open gets it."""
    line, came, abandoned = Line(at_once=1, length=2), [], []

    def wait(name: str) -> None:
        with sender.told_by(left[name].is_set):
            try:
                line.run(lambda: came.append(name))
            except Abandoned:
                abandoned.append(name)

    left = {name: threading.Event() for name in ("patient", "impatient")}
    waiters = [threading.Thread(target=wait, args=(name,)) for name in left]

    def leave() -> None:
        for waiter in waiters:
            waiter.start()
        until(lambda: line.inside == 3)
        left["impatient"].set()

    line.run(leave)
    for waiter in waiters:
        waiter.join(10)
    assert (came, abandoned, line.inside) == (["patient"], ["impatient"], 0)
