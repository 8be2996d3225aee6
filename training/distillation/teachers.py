"""A model that others learn from: an exported artifact, or a run's checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from cosmoformer.errors import ModelRefused, first_line
from cosmoformer.models import artifact
from training import tasks
from training.augmentation.augment import normalise
from training.loop import checkpoint, class_names
from training.loop.job import model_of, task_of
from training.loop.recipe import from_params
from training.tasks import Task


@dataclass(frozen=True)
class Teacher:
    """A trained classification.

    Attributes:
        name: for people: a file and its folder, no path.
        sha256: of its file.
        task: what it learned, with its classes and crop.
        side: of the images that it takes, pixels.
        device: where it computes.
        tell: what it says of float images (N, 3, side, side) in 0..1 on the device, as :meth:`training.tasks.Task.told`.
        show: the same, and its feature maps of them, as :attr:`training.models.Model.with_maps`; None where it has none to show.
    """

    name: str
    sha256: str
    task: Task
    side: int
    device: torch.device
    tell: Callable[[Tensor], Tensor]
    show: Callable[[Tensor], tuple[Tensor, list[Tensor]]] | None = None


def open_teacher(path: Path, device: torch.device) -> Teacher:
    """The teacher in a file.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is neither an artifact nor a checkpoint, or no classification.
        ModelRefused: it is an artifact that fails its self-check.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"no teacher at {path}: train one (recipe teacher), or name an artifact or a checkpoint by --teacher"
        )
    content = path.read_bytes()
    name, sha256 = str(Path(path.parent.name, path.name)), artifact.digest(content)
    try:
        metadata = artifact.read_metadata(content)
    except ModelRefused:
        return _of_checkpoint(path, device, name, sha256)
    else:
        _check_teaches(path, metadata.task, metadata.classes)
        task, side = tasks.find(metadata.task).looking_at(metadata.crop), metadata.input_size
        task = task.with_classes(metadata.classes)
        tell = _of_artifact(artifact.load(content), task, device)
    return Teacher(name, sha256, task, side, device, tell)


def _said(task: Task, outputs: Tensor, knows_votes: bool, temperature: float = 1.0) -> Tensor:
    """What outputs say. A model has outputs for the votes of its task whether or not it learned any: then they say nothing."""
    answers = task.told(outputs, temperature)
    if not knows_votes:
        answers[:, len(task.classes) :] = torch.nan
    return answers


def _check_teaches(path: Path, task: str, classes: Sequence[str]) -> None:
    if not classes:
        raise ValueError(f"{path} gives values of {task}, no classes: it cannot teach")


def _of_artifact(model: artifact.Artifact, task: Task, device: torch.device) -> Callable[[Tensor], Tensor]:
    module = model.module.to(device)

    def tell(images: Tensor) -> Tensor:
        # The artifact itself gives classes only; the votes stand behind them in what its model gives.
        with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            outputs = module.core((images.to(module.mean.dtype) - module.mean) / module.std)
            outputs = outputs[:, : outputs.shape[1] - model.metadata.features]
            return _said(task, outputs, model.metadata.fractions is not None, model.metadata.temperature)

    return tell


def _of_checkpoint(path: Path, device: torch.device, name: str, sha256: str) -> Teacher:
    state = checkpoint.read(path, torch.device("cpu"))
    recipe = from_params(state["recipe"])
    task = task_of(recipe).with_classes(class_names.read(state["data"]["classes"]))
    _check_teaches(path, task.name, task.classes)
    kind = model_of(recipe)

    def network(prepare: Callable[[nn.Module], nn.Module]) -> nn.Module:
        try:
            loaded = kind.load(task.outputs, recipe.image_size, state["best"])
        except RuntimeError as error:  # a name with a comma in it, as releases before wrote it, reads as two
            raise ValueError(f"{path} has no weights for the classes {task.classes}: {first_line(error)}") from None
        model = prepare(loaded)
        return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    told, knows_votes = network(kind.for_inference), bool(recipe.target_weight)

    def tell(images: Tensor) -> Tensor:
        with torch.inference_mode():
            return _said(task, told(normalise(images)), knows_votes)

    try:
        shown = network(kind.with_maps) if kind.with_maps else None
    except ValueError:  # it has none to show
        shown = None

    def show(images: Tensor) -> tuple[Tensor, list[Tensor]]:
        assert shown is not None
        with torch.no_grad():  # a student's graph may hold what inference mode makes to nobody
            outputs, maps = shown(normalise(images))
            return _said(task, outputs, knows_votes), maps

    return Teacher(name, sha256, task, recipe.image_size, device, tell, show if shown else None)
