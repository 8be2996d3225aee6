"""An artifact's predictions for the images of a cache.

Figures must come out the same to the last digit wherever the same kind of CPU is: batches have a fixed size, each is computed
by a single thread, and several CPUs take a batch each.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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


def probabilities(
    model: Artifact,
    cache: ImageCache,
    rows: NDArray[np.int64] | None = None,
    change: Change = unchanged,
    *,
    device: torch.device = CPU,
    what: str = "images",
) -> NDArray[np.float64]:
    """Class probabilities of a cache's images, float64 (n, classes).

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
    batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    module = model.module.to(device)

    def judge(batch: NDArray[np.int64]) -> NDArray[np.float64]:
        # Both modes are a thread's own; the profiling executor would recompile in each.
        with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            images = change(cache.images(batch).to(device), batch)
            answer: NDArray[np.float64] = module.cropped(images).double().cpu().numpy()
        return answer

    parts = []
    bar, advance = progress(console(stderr=True), what, len(rows))
    workers = cpu_limit() if device.type == "cpu" else 1
    try:
        with bar, _one_thread():
            for part in map_stream(judge, batches, workers):
                parts.append(part)
                advance(sum(map(len, parts)))
    finally:
        model.module.to(CPU)
    return np.concatenate(parts)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
