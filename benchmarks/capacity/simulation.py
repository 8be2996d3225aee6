"""A discrete-event simulation of the way of an image, from the broker to its result.

An image waits for one of the broker's deliveries under way, then for a free place in a pod (the activator holds it), is fetched,
predicted on one of the pod's CPUs, and its result recorded. Pods come and go as
:class:`~benchmarks.capacity.autoscaler.Autoscaler` decides; a new one is ready after a cold start.
A delivery that is not answered in time, or fails, is tried again later.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import simpy

from benchmarks.capacity.autoscaler import Autoscaler
from benchmarks.capacity.manifest import Scaling

Process = Generator[simpy.Event, Any, Any]
_FIRST_BACKOFF_S, _MOST_RETRIES = 1.0, 10  # knative/function/delivery/delivery.yaml


@dataclass(frozen=True)
class Work:
    """What one image costs.

    Attributes:
        service_s: seconds on one CPU, as measured; one is drawn for each image.
        store_s: seconds that it waits for the store, before and after together.
        cold_start_s: from a pod's start until it is ready.
        cpus: of one pod.
        failure: chance that a delivery fails for a passing reason.
    """

    service_s: Sequence[float]
    store_s: float = 0.0
    cold_start_s: float = 2.0
    cpus: int = 1
    failure: float = 0.0


@dataclass
class Outcome:
    """What happened.

    Attributes:
        delays: seconds from each image's arrival to its result.
        arrivals: when each of these came.
        lost: images that were given up after all retries.
        cold_starts: pods that started while there was none.
        pods: how many there were, at each decision.
        pod_seconds: sum of all pods' lives.
        busy_seconds: CPU seconds of predictions.
        deliveries: attempts.
        most_under_way: deliveries under way at once, at most.
        end: when the last image was done.
    """

    delays: list[float] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    lost: int = 0
    cold_starts: int = 0
    pods: list[int] = field(default_factory=list)
    pod_seconds: float = 0.0
    busy_seconds: float = 0.0
    deliveries: int = 0
    most_under_way: int = 0
    end: float = 0.0


class _Pod:
    """A pod: places for requests, and CPUs they share."""

    def __init__(self, env: simpy.Environment, cpus: simpy.Resource, started: float) -> None:
        self.free = 0
        self.ready = self.leaving = False
        self.busy = 0
        self.started = started
        self.cpus = cpus
        self.env = env


class Simulation:
    """One run.

    Args:
        scaling: of the function.
        work: of an image.
        under_way: deliveries that the broker makes at once.
        shared_cpus: CPUs that all pods share, for one machine; 0 where each pod has its own.
        seed: of everything random.
    """

    def __init__(
        self, scaling: Scaling, work: Work, under_way: int = 10**9, shared_cpus: int = 0, seed: int = 0
    ) -> None:
        self.env = simpy.Environment()
        self._scaling, self._work = scaling, work
        self._random = random.Random(seed)
        self._broker = simpy.Resource(self.env, capacity=under_way)
        self._shared = simpy.Resource(self.env, capacity=shared_cpus) if shared_cpus else None
        self._scaler = Autoscaler(scaling)
        self._pods: list[_Pod] = []
        self._line = deque[simpy.Event]()
        self._inside = 0  # requests that wait for a place or have one
        self._area, self._area_at, self._observed_at = 0.0, 0.0, 0.0
        self._left = 0  # images that are not done yet
        self._all_arrived = False
        self.outcome = Outcome()

    def run(
        self, times: Iterable[float], *, pods: int = 0, is_scaled: bool = True, until: float | None = None
    ) -> Outcome:
        """Let images arrive at some times; the run ends with the last result.

        Args:
            times: seconds, rising.
            pods: that are ready at the start.
            is_scaled: whether the autoscaler decides how many there are.
            until: seconds to go on to in any case, for example until the function sleeps.
        """
        for _ in range(pods):
            self._start_pod(is_warm=True)
        self.env.process(self._arrive(times))
        if is_scaled:
            self.env.process(self._scale())
        self._run_to_end(until)
        return self.outcome

    def run_clients(self, clients: int, seconds: float, pods: int) -> Outcome:
        """Closed loop: clients that send their next image when the one before is answered; only whole answers count."""
        for _ in range(pods):
            self._start_pod(is_warm=True)

        def client() -> Process:
            while self.env.now < seconds:
                yield self.env.process(self._image(self.env.now))

        for _ in range(clients):
            self.env.process(client())
        self.env.run(until=seconds)
        self.outcome.end = seconds
        return self.outcome

    def _run_to_end(self, until: float | None) -> None:
        while not (self._all_arrived and self._left == 0):
            self.env.step()
        self.outcome.end = self.env.now
        if until is not None and until > self.env.now:
            self.env.run(until=until)
        self.outcome.pod_seconds += sum(self.env.now - pod.started for pod in self._pods)

    def _arrive(self, times: Iterable[float]) -> Process:
        for at in times:
            yield self.env.timeout(at - self.env.now)
            self._left += 1
            self.env.process(self._image(at))
        self._all_arrived = True
        yield self.env.timeout(0)

    def _image(self, arrived: float) -> Process:
        for attempt in range(_MOST_RETRIES + 1):
            with self._broker.request() as delivery:
                yield delivery
                self.outcome.most_under_way = max(self.outcome.most_under_way, self._broker.count)
                self.outcome.deliveries += 1
                began = self.env.now
                yield from self._judge()
                late = self.env.now - began > self._scaling.timeout_s
            if not late and self._random.random() >= self._work.failure:
                self.outcome.delays.append(self.env.now - arrived)
                self.outcome.arrivals.append(arrived)
                self._left -= 1
                return
            yield self.env.timeout(_FIRST_BACKOFF_S * 2**attempt)
        self.outcome.lost += 1
        self._left -= 1

    def _judge(self) -> Process:
        self._count(+1)
        pod = yield from self._place()
        yield self.env.timeout(self._work.store_s / 2)
        with pod.cpus.request() as cpu:
            yield cpu
            service = self._random.choice(self._work.service_s)
            self.outcome.busy_seconds += service
            yield self.env.timeout(service)
        yield self.env.timeout(self._work.store_s / 2)
        self._leave(pod)
        self._count(-1)

    def _place(self) -> Generator[simpy.Event, Any, _Pod]:
        pod = next((pod for pod in self._pods if pod.free), None) if not self._line else None
        if pod is None:
            ticket = self.env.event()
            self._line.append(ticket)
            if all(
                pod.leaving for pod in self._pods
            ):  # the activator tells the autoscaler of the first request at once
                self.outcome.cold_starts += 1
                for _ in range(max(1, self._scaling.activation_scale)):
                    self._start_pod()
            pod = yield ticket
        else:
            pod.free -= 1
            pod.busy += 1
        assert isinstance(pod, _Pod)
        return pod

    def _leave(self, pod: _Pod) -> None:
        pod.busy -= 1
        pod.free += 0 if pod.leaving else 1
        self._hand_out(pod)
        if pod.leaving and not pod.busy:
            self._forget(pod)

    def _hand_out(self, pod: _Pod) -> None:
        while self._line and pod.free:
            pod.free -= 1
            pod.busy += 1
            self._line.popleft().succeed(pod)

    def _start_pod(self, is_warm: bool = False) -> None:
        cpus = self._shared or simpy.Resource(self.env, capacity=self._work.cpus)
        pod = _Pod(self.env, cpus, self.env.now)
        self._pods.append(pod)
        if is_warm:
            self._open(pod)
        else:
            self._after(self._work.cold_start_s, lambda: self._open(pod))

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        def wait() -> Process:
            yield self.env.timeout(seconds)
            action()

        self.env.process(wait())

    def _open(self, pod: _Pod) -> None:
        if not pod.leaving:
            pod.ready = True
            pod.free = self._scaling.container_concurrency
            self._hand_out(pod)

    def _scale(self) -> Process:
        while True:
            yield self.env.timeout(self._scaling.tick_s)
            now = self.env.now
            self._scaler.observe(now, self._concurrency())
            wanted = self._scaler.decide(now, sum(pod.ready for pod in self._pods))
            staying = [pod for pod in self._pods if not pod.leaving]
            for _ in range(wanted - len(staying)):
                self._start_pod()
            for pod in sorted(staying, key=lambda pod: pod.busy)[: max(0, len(staying) - wanted)]:
                pod.leaving, pod.free = True, 0
                if not pod.busy:
                    self._forget(pod)
            self.outcome.pods.append(len(self._pods))

    def _forget(self, pod: _Pod) -> None:
        self._pods.remove(pod)
        self.outcome.pod_seconds += self.env.now - pod.started

    def _count(self, change: int) -> None:
        self._area += self._inside * (self.env.now - self._area_at)
        self._area_at = self.env.now
        self._inside += change

    def _concurrency(self) -> float:
        """Average number of requests since the last time that it was asked."""
        self._count(0)
        average = self._area / (self.env.now - self._observed_at)
        self._area, self._observed_at = 0.0, self.env.now
        return average
