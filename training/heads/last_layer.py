"""The last layer of a trained network: found, taken off, and put back with other rows while all else stays as it is."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from cosmoformer.models import artifact
from cosmoformer.models.artifact import Artifact
from cosmoformer.models.outputs import DOMAIN
from training import models, tasks
from training.artifact.flat import flat_name
from training.loop import checkpoint
from training.loop.initial_weights import start_from
from training.loop.last_layer import LastLayer
from training.tasks import Task

_ONE_VIEW = [0]  # of artifacts from before there were several


def with_rows(layer: nn.Linear, kept: int, weight: Tensor, bias: Tensor) -> nn.Linear:
    """A layer with the first rows of another and new ones behind them.

    Args:
        layer: the other.
        kept: how many of its rows stay, as they are.
        weight: float (N, F), of the new ones.
        bias: float (N,).
    """
    made = nn.Linear(layer.in_features, kept + len(weight))
    with torch.no_grad():
        made.weight.copy_(torch.cat([layer.weight[:kept], weight]))
        made.bias.copy_(torch.cat([layer.bias[:kept], bias]))
    return made


@dataclass(frozen=True)
class Opened:
    """An artifact whose last layer can be taught.

    Attributes:
        before: as it was.
        model: with its weights, in the form that it was trained in and in evaluation mode.
        last: the model's last layer, with all rows that the artifact has.
        trunk: what comes before it, in the form for inference; it takes normalised images and gives features (N, F).
    """

    before: Artifact
    model: nn.Module
    last: LastLayer
    trunk: nn.Module

    def traced_with(self, layer: nn.Linear) -> nn.Module:
        """The very graph of the artifact, which another version may have traced in another way, with this last layer.

        ``model`` gets it too.
        """
        self.last.replaced(self.model, layer)
        core: nn.Module = self.before.module.core
        for name, value in layer.named_parameters():
            setattr(core, flat_name(f"{self.last.name}.{name}"), nn.Parameter(value.detach().clone()))
        return core


def task_of(model: Artifact) -> Task:
    """The task of an artifact, which tells what the artifact tells, over as many views."""
    facts = model.metadata
    task = tasks.find(facts.task).looking_at(facts.crop).with_classes(facts.classes)
    task = task.telling_votes() if facts.fractions else task
    task = task.telling_domain() if DOMAIN in facts.values else task
    return task.seen_from(len(getattr(model.module, "quarters", _ONE_VIEW)))


def open_artifact(path: Path, task: Task, model_name: str) -> Opened:
    """Open an artifact.

    Args:
        path: its file.
        task: of :func:`task_of`.
        model_name: which of :mod:`training.models` it is of.

    Raises:
        ValueError: it is of another model, or the model has no last layer that can be told apart.
    """
    before = artifact.load(path.read_bytes())
    kind = models.find(model_name)
    model = kind.build(task.outputs, before.metadata.input_size)
    if lacking := start_from(model, checkpoint.weights_of(path)):
        raise ValueError(f"{path} is no {model_name} with {task.outputs} outputs: {', '.join(lacking[:3])} do not fit")
    inference = kind.for_inference(deepcopy(model).eval())
    trunk = LastLayer.of(inference, task.outputs).trunk(inference)
    last = LastLayer.of(model, task.outputs)
    parameters = dict(before.module.core.named_parameters())
    weight, bias = (parameters[flat_name(f"{last.name}.{name}")].detach() for name in ("weight", "bias"))
    layer = with_rows(last.layer, 0, weight, bias)
    last.replaced(model, layer)
    return Opened(before, model.eval(), LastLayer(last.name, layer), trunk)
