"""Bring batches to the training device without letting it wait: decoded pixels are kept on it, or fetched ahead."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.data.cache import ImageCache

_AHEAD = 3  # batches fetched before they are asked for
_SHARE_OF_MEMORY = 0.4  # of a GPU's free memory that pixels may fill


@dataclass(frozen=True)
class Batch:
    """One step's galaxies, on the training device.

    Attributes:
        images: uint8 (N, 3, S, S).
        labels: int64 (N,), -1 where there is none.
        targets: float32 (N, T), NaN where unknown.
        told: float32 (N, classes + answers), what teachers say; (N, 0) without.
    """

    images: Tensor
    labels: Tensor
    targets: Tensor
    told: Tensor


class Feeder:
    """Batches of one split. A GPU with room for all pixels keeps them; else they are copied while it computes.

    Args:
        cache: the split.
        device: that trains.
        told: float32 (N, classes + answers), what teachers say of it.
    """

    def __init__(self, cache: ImageCache, device: torch.device, told: NDArray[np.float32] | None = None) -> None:
        self._cache, self._device = cache, device
        self._labels = torch.from_numpy(cache.labels.copy())
        self._targets = torch.from_numpy(cache.targets.copy())
        self._told = torch.empty(len(cache.labels), 0) if told is None else torch.from_numpy(told)
        self._resident: Tensor | None = None
        if device.type == "cuda" and cache.pixels.nbytes < _SHARE_OF_MEMORY * torch.cuda.mem_get_info(device)[0]:
            with warnings.catch_warnings():  # the map cannot be written, and nobody does
                warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
                self._resident = torch.from_numpy(np.asarray(cache.pixels)).to(device)
            self._labels, self._targets = self._labels.to(device), self._targets.to(device)
            self._told = self._told.to(device)

    def batches(self, rows_of_steps: Sequence[NDArray[np.int64]]) -> Iterator[Batch]:
        """The batches with these rows, in this order."""
        if self._resident is not None:
            for rows in rows_of_steps:
                yield self._select(torch.from_numpy(rows).to(self._device, non_blocking=True))
            return
        with ThreadPoolExecutor(1, thread_name_prefix="feeder") as thread:
            waiting: list[Future[Batch]] = []
            for rows in rows_of_steps:
                waiting.append(thread.submit(self._copy, rows))
                if len(waiting) > _AHEAD:
                    yield self._to_device(waiting.pop(0).result())
            for future in waiting:
                yield self._to_device(future.result())

    def _select(self, rows: Tensor) -> Batch:
        assert self._resident is not None
        images = self._resident[rows].permute(0, 3, 1, 2)
        return Batch(images, self._labels[rows], self._targets[rows], self._told[rows])

    def _copy(self, rows: NDArray[np.int64]) -> Batch:
        index = torch.from_numpy(rows)
        batch = Batch(self._cache.images(rows), self._labels[index], self._targets[index], self._told[index])
        if self._device.type != "cuda":
            return batch
        return Batch(*(part.pin_memory() for part in _parts(batch)))

    def _to_device(self, batch: Batch) -> Batch:
        return Batch(*(part.to(self._device, non_blocking=True) for part in _parts(batch)))


def _parts(batch: Batch) -> tuple[Tensor, ...]:
    return batch.images, batch.labels, batch.targets, batch.told
