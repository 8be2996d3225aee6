"""Where a run stands, on disk: written whole or not at all, and read back to go on exactly there."""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cosmoformer.errors import first_line
from training.artifact.flat import full_name
from training.artifact.folded import unfolded
from training.loop import class_names
from training.loop.recipe import from_params

_log = logging.getLogger(__name__)

NAME = "checkpoint.pt"
LAST_LAYER = 2  # parameters that come last: its weight and its bias
_MAY_GROW = ("epochs", "minutes")


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        step: steps taken since the start.
        loss_sum: sum of the losses of the present epoch's steps.
        best_score: highest validation score so far.
        best_epoch: epoch that had it, from 1; 0 is none yet.
        judged: epochs whose weights were scored.
        stopped: whether the run ended early.
        epochs: how many the run shall have, where its time decides; 0 is as the recipe says.
        spent_s: time that training took so far, seconds.
        epoch_s: what an epoch took last, seconds, by the side of its images.
    """

    step: int = 0
    loss_sum: float = 0.0
    best_score: float = float("-inf")
    best_epoch: int = 0
    judged: int = 0
    stopped: bool = False
    epochs: int = 0
    spent_s: float = 0.0
    epoch_s: dict[int, float] = field(default_factory=dict)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint; an interruption, be it of the power, leaves the old one."""
    scratch = path.with_suffix(".tmp")
    with scratch.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def read(path: Path, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        ValueError: the file is none.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, EOFError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no checkpoint of a training run: {first_line(error)}") from None
    except Exception as error:  # pickle's own errors
        raise ValueError(f"{path} is no checkpoint of a training run ({type(error).__name__})") from None
    if not isinstance(state, dict) or not {"recipe", "progress", "best"} <= set(state):
        raise ValueError(f"{path} is no checkpoint of a training run: it has no recipe, progress and best weights")
    return state


def refuse_another(
    state: Mapping[str, Any], recipe: Mapping[str, str], data: Mapping[str, str], processes: int, folder: Path
) -> set[str]:
    """Refuse to go on from another run's checkpoint, and say so when the run will not be quite the same.

    More epochs or minutes than before make it longer, and no other run.

    Args:
        state: what :func:`read` gave.
        recipe: of the run that is to go on.
        data: its data, by versions and classes.
        processes: how many train; each draws its own randomness.
        folder: where the checkpoint is.

    Returns:
        What makes it longer: ``epochs``, ``minutes``, or neither.

    Raises:
        ValueError: the checkpoint's recipe or data differ.
    """
    before = from_params(state["recipe"]).params()  # a recipe of before a field was added has its default
    longer = {name for name in _MAY_GROW if _length(name, recipe) > _length(name, before)}
    changed = [
        f"{name} {before.get(name)} → {value}"
        for name, value in recipe.items()
        if before.get(name) != value and name not in longer
    ]
    if any(_differs(name, state["data"].get(name, value), value) for name, value in data.items()):
        changed.append("the data")
    if changed:
        raise ValueError(
            f"{folder} holds a run that differs in {', '.join(changed)}: give another folder, or delete it"
        )
    if (begun := state.get("processes", processes)) != processes:
        _log.warning(
            "begun by %d processes, gone on with by %d: the weights will not be the very same", begun, processes
        )
    for name in sorted(longer):
        _log.info("the run is made longer: %s %s → %s", name, before[name], recipe[name])
    return longer


def _length(name: str, recipe: Mapping[str, str]) -> float:
    """How long a run may be by one of its limits; no minutes are no limit."""
    return float(recipe[name]) or math.inf


def _differs(name: str, before: str, value: str) -> bool:
    if name == "classes" and class_names.are_told(before, class_names.read(value)):
        return False
    return before != value


def weights_of(path: Path) -> dict[str, Tensor]:
    """The best averaged weights of a checkpoint, or those inside an exported artifact; a model's state by name.

    Of an artifact's last layer they are the rows that the run taught: the scores (``training/heads``) are no part of them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            module = torch.jit.load(str(path), map_location="cpu")
        except (RuntimeError, ValueError):
            return dict(read(path, torch.device("cpu"))["best"])
    prefix = "core."
    own = {name: value for name, value in module.state_dict().items() if name.startswith(prefix)}
    if scores := getattr(module, "scores", 0):
        last = [f"{prefix}{name}" for name, _ in module.core.named_parameters()][-LAST_LAYER:]
        own |= {name: own[name][:-scores] for name in last}
    return unfolded({full_name(name.removeprefix(prefix)): value for name, value in own.items()})
