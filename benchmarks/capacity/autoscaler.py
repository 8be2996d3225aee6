"""Knative's pod autoscaler (KPA) as a function of what it observes: Knative Serving 1.21, ``pkg/autoscaler/scaling``."""

from __future__ import annotations

import math
from collections import deque

from benchmarks.capacity.manifest import Scaling


class Autoscaler:
    """Decides how many pods there should be.

    Args:
        scaling: its settings.
    """

    def __init__(self, scaling: Scaling) -> None:
        self._scaling = scaling
        self._observed = deque[tuple[float, float]]()
        self._wishes = deque[tuple[float, int]]()
        self._panic_since: float | None = None
        self._panic_pods = 0
        self._idle_since: float | None = None

    def observe(self, now: float, concurrency: float) -> None:
        """Note the average number of requests in the system, those that wait included, over the last tick."""
        self._observed.append((now, concurrency))
        while self._observed[0][0] <= now - self._scaling.stable_window_s:
            self._observed.popleft()

    def decide(self, now: float, ready: int) -> int:
        """Pods that should be there.

        Args:
            now: seconds.
            ready: pods that take requests.
        """
        scaling, pods = self._scaling, max(1, ready)
        stable = math.ceil(self._average(now, scaling.stable_window_s) / scaling.target)
        panic = math.ceil(self._average(now, scaling.panic_window_s) / scaling.target)
        wish = self._bounded(stable, ready, pods)
        is_over = panic / pods >= scaling.panic_threshold
        if is_over:
            self._panic_since = now
        elif self._panic_since is not None and self._panic_since + scaling.stable_window_s < now:
            self._panic_since, self._panic_pods = None, 0
        if self._panic_since is not None:  # only upwards until the surge is in the stable window
            self._panic_pods = max(self._panic_pods, wish, self._bounded(panic, ready, pods))
            wish = self._panic_pods
        return self._kept(now, self._limited(self._delayed(now, wish)), ready)

    def _average(self, now: float, window_s: float) -> float:
        found = [value for at, value in self._observed if at > now - window_s]
        return sum(found) / len(found) if found else 0.0

    def _bounded(self, wanted: int, ready: int, pods: int) -> int:
        lowest = math.floor(pods / self._scaling.max_scale_down_rate) if ready else 0
        highest = math.ceil(self._scaling.max_scale_up_rate * pods)
        bounded = min(max(wanted, lowest), highest)
        return max(bounded, self._scaling.activation_scale) if wanted else bounded

    def _delayed(self, now: float, wish: int) -> int:
        self._wishes.append((now, wish))
        while self._wishes[0][0] < now - self._scaling.scale_down_delay_s:
            self._wishes.popleft()
        return max(kept for _, kept in self._wishes)

    def _limited(self, wish: int) -> int:
        most = self._scaling.max_scale or math.inf
        return int(min(max(wish, self._scaling.min_scale), most))

    def _kept(self, now: float, wish: int, ready: int) -> int:
        """The last pod is kept for the retention period after nothing is wanted any more."""
        if wish or not ready:
            self._idle_since = None
            return wish
        self._idle_since = now if self._idle_since is None else self._idle_since
        return 0 if now - self._idle_since >= self._scaling.retention_s else 1
