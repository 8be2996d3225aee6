"""The processes of one function: none while nobody asks, more while requests wait, none again after a while.

A request takes a *slot* of a ready replica. While there is none it stands in line, and the line is what the scaler
looks at: replicas wanted = ⌈(requests under way + requests in line) / concurrency⌉, up to the maximum. The first
replica with a free slot gets the next request, so that under a light load the others become idle and end.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

from cosmoformer.errors import Overloaded, PermanentError, TransientError
from cosmoformer.local.knative.replica import FunctionSpec, Replica
from cosmoformer.local.process import end_leftover, stop_process

_log = logging.getLogger(__name__)

_RESTART_BACKOFF_S = (1.0, 2.0, 5.0, 10.0, 30.0)  # after the first, second, ... failed start in a row
_CLIENT_CHECK_S = 0.2


class StartFailed(TransientError):
    """The function's process ended or stayed unready; ``log`` is the end of what it wrote."""

    title = "Function did not start"

    def __init__(self, detail: str, log: str, retry_after_s: float) -> None:
        super().__init__(detail)
        self.log = log
        self.retry_after_s = max(math.ceil(retry_after_s), 1)


class ClientLeft(Exception):
    """The client hung up while its request stood in line."""


@dataclass(frozen=True)
class ReplicaState:
    """A replica as `ReplicaSet.snapshot` shows it."""

    pid: int
    port: int
    ready: bool
    in_flight: int


@dataclass(frozen=True)
class Snapshot:
    """The state of a function's replicas at one moment.

    Attributes:
        ending: replicas that are out of service but whose processes have not ended yet.
        waiting: requests in line.
        cold_starts: starts while there was no replica, since the activator started.
        last_start_s: seconds from start to ready of the replica that became ready last.
        last_failure: why the last start failed; None once one succeeded.
    """

    replicas: tuple[ReplicaState, ...]
    ending: int
    waiting: int
    cold_starts: int
    last_start_s: float | None
    last_failure: str | None


class ReplicaSet:
    """The replicas of one function and the line in front of them. Safe for threads."""

    def __init__(self, spec: FunctionSpec) -> None:
        self._spec = spec
        self._changed = threading.Condition()
        self._replicas: list[Replica] = []
        self._keepers: set[threading.Thread] = set()
        self._line: deque[Future[Replica]] = deque()
        self._failure: StartFailed | None = None
        self._failed_starts = 0
        self._no_start_before = 0.0
        self._cold_starts = 0
        self._last_start_s: float | None = None
        self._closed = False
        for record in spec.folder.glob(f"{spec.name}-*.process"):
            end_leftover(record)
        self._scaler = threading.Thread(target=self._scale, name=f"scaler-{spec.name}", daemon=True)
        self._scaler.start()

    @contextmanager
    def slot(self, client_left: Callable[[], bool]) -> Iterator[Replica]:
        """Hold one request's place in a ready replica.

        Args:
            client_left: whether waiting further is in vain.

        Raises:
            Overloaded: the line is full, or the wait was longer than ``timeout_s``.
            StartFailed: no replica can be had.
            ClientLeft: the client hung up while it waited.
        """
        ticket = self._enter_line()
        try:
            yield self._wait(ticket, client_left)
        finally:
            self._leave(ticket)

    def doubt(self, replica: Replica) -> None:
        """Send no more requests to a replica that failed one, until it has been probed: it may be dead or dying."""
        with self._changed:
            replica.doubt()

    def snapshot(self) -> Snapshot:
        """The state of the function, for people and tests."""
        with self._changed:
            return Snapshot(
                replicas=tuple(
                    ReplicaState(item.process.pid, item.port, item.ready, item.in_flight) for item in self._replicas
                ),
                ending=len(self._keepers) - len(self._replicas),
                waiting=len(self._line),
                cold_starts=self._cold_starts,
                last_start_s=self._last_start_s,
                last_failure=self._failure.detail if self._failure else None,
            )

    def close(self) -> None:
        """End all replicas; requests in line are turned away."""
        with self._changed:
            self._closed = True
            self._turn_away(Overloaded(f"function {self._spec.name!r} is about to end"))
            for replica in list(self._replicas):
                self._end(replica)
            keepers = list(self._keepers)
            self._changed.notify_all()
        for thread in (self._scaler, *keepers):
            thread.join(self._spec.grace_s + 5)

    def _enter_line(self) -> Future[Replica]:
        with self._changed:
            if self._failure and not self._replicas and time.monotonic() < self._no_start_before:
                raise StartFailed(self._failure.detail, self._failure.log, self._no_start_before - time.monotonic())
            if self._closed or len(self._line) >= self._spec.max_waiting:  # the line is empty while slots are free
                raise Overloaded(f"{len(self._line)} requests wait for function {self._spec.name!r} already")
            ticket: Future[Replica] = Future()
            self._line.append(ticket)
            self._hand_out()
            if not ticket.done():
                self._changed.notify_all()  # the scaler
            return ticket

    def _wait(self, ticket: Future[Replica], client_left: Callable[[], bool]) -> Replica:
        deadline = time.monotonic() + self._spec.timeout_s
        while time.monotonic() < deadline:
            try:
                return ticket.result(_CLIENT_CHECK_S)
            except TimeoutError:
                if client_left():
                    raise ClientLeft from None
        raise Overloaded(f"no replica of {self._spec.name!r} became free within {self._spec.timeout_s:g} s")

    def _leave(self, ticket: Future[Replica]) -> None:
        with self._changed:
            if not ticket.done():
                self._line.remove(ticket)
            elif ticket.exception() is None:
                replica = ticket.result()
                replica.in_flight -= 1
                replica.idle_since = time.monotonic()
                self._hand_out()

    # What follows is called with the lock held, except for the two threads' own functions.

    def _hand_out(self) -> None:
        """Give free slots to those who waited longest."""
        for replica in self._replicas:
            while self._line and replica.ready and replica.in_flight < self._spec.container_concurrency:
                replica.in_flight += 1
                self._line.popleft().set_result(replica)

    def _turn_away(self, error: TransientError) -> None:
        while self._line:
            self._line.popleft().set_exception(error)

    def _scale(self) -> None:
        """The scaler's thread: starts what is wanted, ends what is idle, sleeps until either may change."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                for replica in [item for item in self._replicas if self._idle_left_s(item, now) <= 0]:
                    _log.info("replica ends: idle", extra={"function": self._spec.name, "pid": replica.process.pid})
                    self._end(replica)
                while len(self._replicas) < self._wanted() and time.monotonic() >= self._no_start_before:
                    self._start()
                self._changed.wait(self._next_look_s(now))

    def _wanted(self) -> int:
        requests = len(self._line) + sum(item.in_flight for item in self._replicas)
        return min(math.ceil(requests / self._spec.container_concurrency), self._spec.max_replicas)

    def _idle_left_s(self, replica: Replica, now: float) -> float:
        busy = replica.in_flight or not replica.ready
        return self._spec.idle_s if busy else replica.idle_since + self._spec.idle_s - now

    def _next_look_s(self, now: float) -> float | None:
        """Seconds until a replica may be idle for too long, or until a start may be tried again."""
        looks = [self._idle_left_s(item, now) for item in self._replicas]
        if self._line and now < self._no_start_before:
            looks.append(self._no_start_before - now)
        return min(looks, default=None)

    def _start(self) -> None:
        taken = {item.number for item in self._replicas}
        number = next(number for number in range(self._spec.max_replicas) if number not in taken)
        self._cold_starts += not self._replicas
        try:
            replica = Replica(self._spec, number)
        except (PermanentError, OSError) as error:
            self._start_failed(str(error), log="")
            return
        _log.info("replica starts", extra={"function": self._spec.name, "pid": replica.process.pid})
        self._replicas.append(replica)
        keeper = threading.Thread(target=self._keep, args=(replica,), name=f"keeper-{replica.process.pid}", daemon=True)
        self._keepers.add(keeper)
        keeper.start()

    def _start_failed(self, reason: str, log: str) -> None:
        pause_s = _RESTART_BACKOFF_S[min(self._failed_starts, len(_RESTART_BACKOFF_S) - 1)]
        self._failed_starts += 1
        self._no_start_before = time.monotonic() + pause_s
        self._failure = StartFailed(f"function {self._spec.name!r} did not start: {reason}", log, pause_s)
        _log.error("replica failed to start: %s", reason, extra={"function": self._spec.name, "log": log})
        if not self._replicas:
            self._turn_away(self._failure)

    def _end(self, replica: Replica) -> None:
        """Take a replica out of service; its process ends in the background."""
        if replica in self._replicas:
            self._replicas.remove(replica)
            stop = threading.Thread(target=stop_process, args=(replica.process, self._spec.grace_s), daemon=True)
            stop.start()

    def _keep(self, replica: Replica) -> None:
        """A replica's own thread: watches it become ready, perhaps more than once, then die."""
        while replica.wait_ready(self._spec.readiness_path, self._spec.startup_deadline_s):
            with self._changed:
                self._became_ready(replica)
            replica.wait_doubted()
        with self._changed:
            self._lost(replica)
        # Also when the process has ended already: it may have left workers behind.
        status = stop_process(replica.process, self._spec.grace_s)
        _log.info("replica ended", extra={"function": self._spec.name, "pid": replica.process.pid, "status": status})
        replica.record.unlink(missing_ok=True)
        with self._changed:
            self._keepers.discard(threading.current_thread())
            self._changed.notify_all()

    def _became_ready(self, replica: Replica) -> None:
        if replica in self._replicas:
            replica.ready = True
            replica.idle_since = time.monotonic()
            if replica.ready_after_s is None:
                self._last_start_s = replica.ready_after_s = round(replica.idle_since - replica.started, 3)
            self._failed_starts, self._failure = 0, None
            self._hand_out()
            self._changed.notify_all()  # the scaler: it may be idle from now on

    def _lost(self, replica: Replica) -> None:
        if replica not in self._replicas:
            return  # it was ended on purpose
        self._replicas.remove(replica)
        status = replica.process.poll()
        if replica.ready_after_s is not None:
            _log.error(
                "replica died", extra={"function": self._spec.name, "pid": replica.process.pid, "status": status}
            )
        elif status is None:
            self._start_failed(f"not ready after {self._spec.startup_deadline_s:g} s", replica.log_tail())
        else:
            self._start_failed(f"its process ended with status {status}", replica.log_tail())
        self._changed.notify_all()  # the scaler: others may still wait
