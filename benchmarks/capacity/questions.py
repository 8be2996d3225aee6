"""What a stream of images needs on a cluster: pods, cores, store requests, partitions, and how long images take."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.capacity.manifest import Scaling, request
from benchmarks.capacity.simulation import Outcome, Simulation, Work
from benchmarks.harness import percentile

DAY_S = 86_400.0
#: Requests to the store an image: the upload; classify reads it, looks for a result that stands, and writes its own.
STORE_REQUESTS = {"PUT image": 1, "GET image": 1, "GET result": 1, "PUT result": 1}
#: Records that one consumer of the Kafka broker has under way at most (``max.poll.records`` of its data plane's consumers).
IN_FLIGHT = 50
_BURST, _BURST_S = 3.0, 30.0
_HEADROOM = 1.25  # pods, against those that are busy
_ASLEEP_BELOW = 0.1  # busy pods; below, a simulation begins with none
_MOST_IMAGES, _SHORTEST_S = 50_000, 300.0  # of a simulation; the latter wins


@dataclass(frozen=True)
class Answer:
    """What a rate needs.

    Attributes:
        images_a_day: the question.
        seconds: that were simulated.
        pods: half the time this many or fewer.
        most_pods: at most.
        cores: that the requests of so many pods add up to, sidecars included.
        store_requests: a second, on average.
        partitions: of the broker's topic at least.
        p50: delay in seconds from the event to the result.
        p95: likewise.
        p99: likewise.
        cold_starts: a day.
        lost: images given up after all retries.
        max_scale: most pods that were allowed.
        pod_seconds: a day.
        busy_seconds: CPU seconds of predictions a day.
    """

    images_a_day: float
    seconds: float
    pods: float
    most_pods: int
    cores: float
    store_requests: float
    partitions: int
    p50: float
    p95: float
    p99: float
    cold_starts: float
    lost: int
    max_scale: int
    pod_seconds: float
    busy_seconds: float


def arrivals(rate: float, seconds: float, seed: int = 0) -> Iterator[float]:
    """A Poisson process, with a burst of three times the rate for half a minute towards its end."""
    generator = random.Random(seed)
    at, burst = 0.0, seconds - 3 * _BURST_S
    while True:
        present = rate * (_BURST if burst <= at < burst + _BURST_S else 1.0)
        at += generator.expovariate(present)
        if at >= seconds:
            return
        yield at


def answer(images_a_day: float, scaling: Scaling, work: Work, warm: bool = True) -> Answer:
    """Simulate a part of the day that holds enough images, from the pods that the mean rate keeps busy.

    Args:
        images_a_day: on average.
        scaling: of the function. Where its ``max_scale`` cannot carry the burst, it is raised to what can, and a quarter more.
        work: what an image costs.
        warm: whether pods run at the start, as many as the mean rate keeps busy.
    """
    rate = images_a_day / DAY_S
    mean = sum(work.service_s) / len(work.service_s)
    busy = rate * mean / work.cpus  # pods, on average
    if _BURST * busy > 1:
        scaling = scaling.with_room_for(math.ceil(_BURST * busy * _HEADROOM))
    seconds = min(DAY_S, max(_SHORTEST_S, _MOST_IMAGES / rate))
    pods = math.ceil(busy * _HEADROOM) if warm and busy > _ASLEEP_BELOW else 0
    outcome = Simulation(scaling, work).run(arrivals(rate, seconds), pods=pods, until=seconds)
    return _answer(images_a_day, scaling, seconds, outcome)


def _answer(images_a_day: float, scaling: Scaling, seconds: float, outcome: Outcome) -> Answer:
    pods = statistics.median(outcome.pods)
    return Answer(
        images_a_day=images_a_day,
        seconds=seconds,
        pods=pods,
        most_pods=max(outcome.pods),
        cores=pods * request().cpu,
        store_requests=images_a_day / DAY_S * sum(STORE_REQUESTS.values()),
        partitions=max(1, math.ceil(outcome.most_under_way / IN_FLIGHT)),
        p50=percentile(outcome.delays, 0.5),
        p95=percentile(outcome.delays, 0.95),
        p99=percentile(outcome.delays, 0.99),
        cold_starts=outcome.cold_starts * DAY_S / seconds,
        lost=outcome.lost,
        max_scale=scaling.max_scale,
        pod_seconds=outcome.pod_seconds * DAY_S / seconds,
        busy_seconds=outcome.busy_seconds * DAY_S / seconds,
    )
