"""Keeps the object store of one machine running, as an operator would on a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from cosmoformer.errors import CosmoFormerError
from cosmoformer.local.ceph.node import CephNode

_FIRST_RESTART_S, _LAST_RESTART_S = 1.0, 60.0


class StoreKeeper:
    """Starts a store again whose daemon died, waiting longer each time.

    Args:
        node: the store.
        report: told, in a sentence, of what happens to it.
        interruptible: a context in which a signal to end raises KeyboardInterrupt.
    """

    def __init__(
        self, node: CephNode, report: Callable[[str], None], interruptible: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._node, self._report, self._interruptible = node, report, interruptible
        self._restart_s = _FIRST_RESTART_S
        self._next_check = 0.0

    def check(self) -> bool:
        """Start the store again if it needs that and it is time; whether it has just been started."""
        if time.monotonic() < self._next_check:
            return False
        daemons = self._node.processes()  # none after a start that failed
        if daemons and all(daemon.poll() is None for daemon in daemons):
            self._restart_s = _FIRST_RESTART_S
            return False
        self._report("a daemon of the object store ended; starting the store again")
        try:
            started = self._start()
        except KeyboardInterrupt:
            return False  # the system ends
        self._next_check = time.monotonic() + self._restart_s
        self._restart_s = min(2 * self._restart_s, _LAST_RESTART_S)
        return started

    def _start(self) -> bool:
        try:
            self._node.stop()
            with self._interruptible():
                self._node.start(lambda _: None)
        except CosmoFormerError as error:
            reason = f"{error.detail.splitlines()[0]}. {error.mend}"  # the rest is the tail of a log
            self._report(f"the object store did not start, next try in {self._restart_s:.0f} s: {reason}")
            return False
        return True
