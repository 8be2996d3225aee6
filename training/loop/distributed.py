"""One process or several: rank, world size and device, as ``torchrun`` sets them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from training.loop.progress import Stopped


@dataclass(frozen=True)
class Place:
    """Which of the run's processes this is, and the device that it computes on."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process keeps the run's records."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model with gradients averaged over all processes."""
        if self.world_size == 1:
            return model
        ids = [self.device.index] if self.device.type == "cuda" else None
        # A window of one token needs no position bias: those parameters get no gradient.
        return DistributedDataParallel(model, device_ids=ids, find_unused_parameters=True)

    def agree(self, flag: bool) -> bool:
        """Whether any process says yes: all of them get the same answer."""
        if self.world_size == 1:
            return flag
        return bool(_reduced(torch.tensor(int(flag), device=self.device), dist.ReduceOp.MAX))

    def mean(self, value: Tensor) -> float:
        """The mean over all processes of a float scalar on the device: all of them get the same answer."""
        if self.world_size == 1:
            return float(value)
        return float(_reduced(value.clone(), dist.ReduceOp.SUM)) / self.world_size

    def leave(self) -> None:
        """Part from the other processes, which must do so too: none waits for what a single one does afterwards."""
        if self.world_size > 1 and dist.is_initialized():
            dist.destroy_process_group()


@contextmanager
def take_place(device: str) -> Iterator[Place]:
    """Join the other processes that ``torchrun`` started, if it did.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        ValueError: there is no such device.
    """
    wanted = choose_device(device)
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        yield Place(0, 1, wanted)
        return
    rank, local_rank = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
    chosen = torch.device("cuda", local_rank) if wanted.type == "cuda" else wanted
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    place = Place(rank, world_size, chosen)
    # A process that fails just ends: to part properly it would wait for others, which wait for it in the middle of a step.
    try:
        yield place
    except Stopped:  # all together
        place.leave()
        raise
    place.leave()


def _reduced(value: Tensor, operation: dist.ReduceOp.RedOpType) -> Tensor:
    """The tensor, reduced in place over all processes and free of the thread that did so."""
    dist.all_reduce(value, op=operation)
    # Gloo's thread lets go of the tensor only after it has answered, and needs the interpreter for that. One that ends at this
    # moment takes the process with it (SIGABRT), and parting does not wait for that thread.
    while value.device.type == "cpu" and value._use_count() > 1:  # type: ignore[attr-defined]
        time.sleep(0.0005)
    return value


def choose_device(wanted: str) -> torch.device:
    """The device that a person names: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        ValueError: there is no such device.
    """
    device = ("cuda" if torch.cuda.is_available() else "cpu") if wanted == "auto" else wanted
    kind, _, index = device.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdecimal()):
        raise ValueError(f"expected cpu, cuda, cuda:N or auto as device, got {device!r}")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if int(index or 0) >= count:
        raise ValueError(f"there is no device {device!r}: this machine has {count} of its kind")
    return torch.device(device)
