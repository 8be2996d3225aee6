"""What a training run is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from training import models, tasks
from training.data.cache import ImageCache
from training.loop.distributed import Place
from training.loop.initial_weights import Start
from training.loop.recipe import Recipe
from training.models import Model
from training.tasks import Task


@dataclass(frozen=True)
class Lesson:
    """What teachers say of the training split.

    Attributes:
        answers: float32 (N, classes + answers), as :meth:`training.tasks.Task.told` gives them; None where they are asked live.
        told: who they are, names and digests, as text.
        tell: asks them of float images (N, 3, S, S) in 0..1, as the student sees them; None where their answers are kept.
        show: the same, and feature maps of one of them; None where no teacher shows any.
    """

    answers: NDArray[np.float32] | None
    told: str
    tell: Callable[[Tensor], Tensor] | None = None
    show: Callable[[Tensor], tuple[Tensor, list[Tensor]]] | None = None


@dataclass(frozen=True)
class Job:
    """What a run is made of.

    Attributes:
        recipe: its numbers.
        task: what is learned.
        train: training split.
        val: validation split, by which the best epoch is chosen.
        folder: where checkpoint and record are kept.
        place: which process and device this is.
        start: weights to start from.
        lesson: what teachers say; None without.
        compile: whether the model is compiled (``torch.compile``) first.
    """

    recipe: Recipe
    task: Task
    train: ImageCache
    val: ImageCache
    folder: Path
    place: Place
    start: Start = field(default_factory=Start)
    lesson: Lesson | None = None
    compile: bool = False


def task_of(recipe: Recipe) -> Task:
    """The task that a recipe asks for.

    Raises:
        ValueError: there is no such task, or it has no such head or loss.
    """
    task = tasks.find(recipe.task).looking_at(recipe.crop)
    return task.learning(recipe.head, recipe.loss).seen_from(recipe.views)


def model_of(recipe: Recipe) -> Model:
    """The model that a recipe asks for.

    Raises:
        ValueError: there is none of this name.
    """
    model = models.find(recipe.model)
    if recipe.pixels == "symmetric":
        return model.in_symmetric_range()
    return model.in_grey() if recipe.grayscale else model
