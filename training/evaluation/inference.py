"""An artifact's predictions for the images of a cache.

Figures must come out the same to the last digit wherever the same kind of CPU is: batches have a fixed size, each is computed
by a single thread, and several CPUs take a batch each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from cosmoformer.cpus import cpu_limit
from cosmoformer.models.artifact import Artifact
from cosmoformer.parallel import map_stream
from cosmoformer.terminal import console, progress
from training.data.cache import ImageCache
from training.evaluation.views import Change, unchanged

BATCH = 32
CPU = torch.device("cpu")
_ORIGINAL = 424
_WARM_UPS, _TIMED, _TIMED_BATCHES = 3, 15, 3
Number = TypeVar("Number", bound=np.floating)


def probabilities(
    model: Artifact,
    cache: ImageCache,
    rows: NDArray[np.int64] | None = None,
    change: Change = unchanged,
    *,
    device: torch.device = CPU,
    what: str = "images",
) -> NDArray[np.float64]:
    """Class probabilities of a cache's images, float64 (n, classes); the arguments are those of :func:`outputs`."""
    return outputs(model, cache, rows, change, device=device, what=what)[:, : len(model.metadata.classes)]


def outputs(
    model: Artifact,
    cache: ImageCache,
    rows: NDArray[np.int64] | None = None,
    change: Change = unchanged,
    *,
    device: torch.device = CPU,
    what: str = "images",
) -> NDArray[np.float64]:
    """All that an artifact gives for a cache's images, float64 (n, outputs), in the order of its metadata's names.

    The images are taken for the centre that the artifact would cut out of an original.

    Args:
        model: the artifact; afterwards it is on the CPU, as it is when it is loaded.
        cache: where the images are.
        rows: int64 (n,), which of them; all when it is None.
        change: what is done to the images before.
        device: where it is computed.
        what: said by the progress bar.
    """
    rows = np.arange(len(cache.labels)) if rows is None else rows
    module = model.module.to(device)

    def judge(batch: NDArray[np.int64]) -> NDArray[np.float64]:
        # The profiling executor would recompile in each thread; its absence is a thread's own.
        with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            images = change(cache.images(batch).to(device), batch)
            answer: NDArray[np.float64] = module.cropped(images).double().cpu().numpy()
        return answer

    try:
        return in_batches(judge, rows, cpu_limit() if device.type == "cpu" else 1, what)
    finally:
        model.module.to(CPU)


def prediction_ms(model: Artifact, batch: int = 1) -> float:
    """Milliseconds that one thread computes for an original of 424 pixels a side, as the Challenge's are; the median of several.

    Of the thread's own time: what else the machine does meanwhile has little say.

    Args:
        model: the artifact.
        batch: how many originals it is given at once.
    """
    images = torch.zeros(batch, 3, _ORIGINAL, _ORIGINAL, dtype=torch.uint8)
    with _one_thread():
        for _ in range(_WARM_UPS if batch == 1 else 1):
            model.predict(images)
        seconds = []
        for _ in range(_TIMED if batch == 1 else _TIMED_BATCHES):
            began = time.thread_time()
            model.predict(images)
            seconds.append(time.thread_time() - began)
    return round(1000 * float(np.median(seconds)) / batch, 2)


def in_batches(
    judge: Callable[[NDArray[np.int64]], NDArray[Number]], rows: NDArray[np.int64], workers: int, what: str
) -> NDArray[Number]:
    """What a function gives for rows of a cache, batch by batch in inference mode, each computed by a single thread.

    Args:
        judge: takes some of the rows, at most :data:`BATCH`, and gives an array with as many.
        rows: int64 (n,).
        workers: how many batches are computed at once.
        what: said by the progress bar.

    Returns:
        An array with n rows.
    """
    batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]

    def infer(batch: NDArray[np.int64]) -> NDArray[Number]:
        with torch.inference_mode():  # a thread's own
            return judge(batch)

    parts: list[NDArray[Number]] = []
    bar, advance = progress(console(stderr=True), what, len(rows))
    with bar, _one_thread():
        for part in map_stream(infer, batches, workers):
            parts.append(part)
            advance(sum(map(len, parts)))
    return np.concatenate(parts)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
