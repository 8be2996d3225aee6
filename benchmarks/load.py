"""Clients: a fixed number of them that each wait for their answer (closed loop), or requests at given times (open loop)."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from benchmarks.harness import percentile

TIMEOUT_S = 60.0
_MOST_UNDER_WAY = 400  # requests of an open loop; what comes on top waits for a client, and its wait counts
_LONGEST_PAUSE_S = 2.0  # of what a server asks for in Retry-After
_REFUSED = (429, 503)
Encode = Callable[[bytes], tuple[Mapping[str, str], bytes]]


@dataclass(frozen=True)
class Target:
    """Where pictures are sent, and how.

    Attributes:
        port: on 127.0.0.1.
        path: of the URL.
        encode: headers and body of a request from a JPEG file.
    """

    port: int
    path: str
    encode: Encode


@dataclass
class Outcome:
    """What became of the requests.

    Attributes:
        seconds: of each that was answered 200, from when it was due.
        failures: requests that were answered otherwise, or not at all.
        refusals: answers 429 and 503; a closed loop's client then tries again, an open loop's gives up.
        refusal_seconds: how long each of these took.
        in_time: successful requests that were answered before the end of the measurement.
        elapsed: seconds that were measured.
    """

    seconds: list[float] = field(default_factory=list)
    failures: int = 0
    refusals: int = 0
    refusal_seconds: list[float] = field(default_factory=list)
    in_time: int = 0
    elapsed: float = 0.0

    @property
    def rate(self) -> float:
        """Successful requests per second."""
        return self.in_time / self.elapsed

    @property
    def success(self) -> float:
        """Share of requests that succeeded."""
        return len(self.seconds) / max(1, len(self.seconds) + self.failures)

    def within(self, limit_s: float) -> float:
        """Share of requests that succeeded within a time."""
        return sum(s <= limit_s for s in self.seconds) / max(1, len(self.seconds) + self.failures)

    def quantile(self, share: float) -> float:
        """A quantile of the successful requests' times, seconds; infinite when there are none."""
        return percentile(self.seconds, share) if self.seconds else float("inf")


class Client:
    """One client, over a connection that stays open."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=TIMEOUT_S)

    def send(self, jpeg: bytes) -> tuple[int, float, bytes]:
        """Status (0 when there was no answer), the pause in seconds that the server asks for, and the body."""
        headers, body = self._target.encode(jpeg)
        for attempt in range(2):  # a server may close an idle connection just now
            try:
                self._connection.request("POST", self._target.path, body, dict(headers))
                answer = self._connection.getresponse()
                return answer.status, float(answer.headers.get("Retry-After", 0)), answer.read()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self._connection.close()
                if attempt:
                    return 0, 0.0, b""
            except (OSError, http.client.HTTPException):
                self._connection.close()
                return 0, 0.0, b""
        return 0, 0.0, b""

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def check(target: Target, jpeg: bytes) -> None:
    """Send one picture.

    Raises:
        RuntimeError: the answer is not 200 with JSON.
    """
    client = Client(target)
    status, _, body = client.send(jpeg)
    client.close()
    try:
        json.loads(body)
    except ValueError:
        status = status if status != 200 else 0
    if status != 200:
        raise RuntimeError(f"port {target.port} answered {status}: {body[:500]!r}")


def closed_loop(
    target: Target, pictures: Iterator[bytes], clients: int, seconds: float, warm_s: float = 1.0
) -> Outcome:
    """Let some clients send picture after picture.

    The rate is of what is answered after the warm-up and before the end. Times are of all that is answered after the warm-up:
    without those that were under way at the end, a slow server's quantiles would be too good.
    """
    outcome, lock = Outcome(elapsed=seconds), threading.Lock()
    begin = time.monotonic() + warm_s
    end = begin + seconds

    def work() -> None:
        client = Client(target)
        while time.monotonic() < end:
            with lock:
                jpeg = next(pictures)
            due = time.monotonic()
            while True:
                status, pause_s, _ = client.send(jpeg)
                now = time.monotonic()
                if status not in _REFUSED or now >= end:
                    break
                with lock:
                    outcome.refusals += 1
                time.sleep(min(max(pause_s, 0.05), _LONGEST_PAUSE_S))
            if begin <= now:
                with lock:
                    if status == 200:
                        outcome.seconds.append(now - due)
                        outcome.in_time += now < end
                    elif now < end:
                        outcome.failures += 1
        client.close()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcome


def open_loop(target: Target, pictures: Iterator[bytes], times: Sequence[float]) -> Outcome:
    """Send a picture at each of some times (seconds from now), whether or not the ones before were answered."""
    outcome, lock, idle = Outcome(), threading.Lock(), SimpleQueue[Client]()
    begin = time.monotonic() + 0.1

    def work(due: float, jpeg: bytes) -> None:
        try:
            client = idle.get_nowait()
        except Empty:
            client = Client(target)
        status, _, _ = client.send(jpeg)
        seconds = time.monotonic() - due
        idle.put(client)
        with lock:
            if status == 200:
                outcome.seconds.append(seconds)
                outcome.in_time += 1
            else:
                outcome.failures += 1
            if status in _REFUSED:
                outcome.refusals += 1
                outcome.refusal_seconds.append(seconds)

    with ThreadPoolExecutor(_MOST_UNDER_WAY) as pool:
        for at in sorted(times):
            time.sleep(max(0.0, begin + at - time.monotonic()))
            pool.submit(work, begin + at, next(pictures))
    outcome.elapsed = time.monotonic() - begin
    while not idle.empty():
        idle.get().close()
    return outcome


def poisson(rate: float, seconds: float, seed: int = 0) -> list[float]:
    """Arrival times of a Poisson process; one at its end where chance has none."""
    generator = random.Random(seed)
    times, at = [], generator.expovariate(rate)
    while at < seconds:
        times.append(at)
        at += generator.expovariate(rate)
    return times or [seconds]
