"""The optimiser, its learning rate over time, numeric precision and the moving average of the weights."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.loop.muon import MuonAndAdamW, split_hidden
from training.loop.recipe import Recipe, RecipeError


def make_optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's, with weight decay on matrices and kernels only: decaying norms and biases costs accuracy."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decayed = [parameter for parameter in parameters if parameter.squeeze().ndim > 1]
    others = [parameter for parameter in parameters if parameter.squeeze().ndim <= 1]
    rate, decay = recipe.learning_rate, recipe.weight_decay
    hidden, decayed = split_hidden(decayed) if recipe.optimiser == "muon" else ([], decayed)
    groups = [{"params": decayed, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=rate, fused=True)
    if not hidden:
        raise RecipeError(f"optimiser muon needs hidden matrices, of which {recipe.model} has none: use adamw")
    return MuonAndAdamW(hidden, groups, rate, decay)


def learning_rate_at(step: int, steps: int, recipe: Recipe) -> float:
    """Learning rate of a step: a linear warm-up, then half a cosine to zero (Loshchilov & Hutter 2017), or exponential decay."""
    warmup = max(1, round(recipe.warmup * steps))
    if step < warmup:
        return recipe.learning_rate * (step + 1) / warmup
    if recipe.schedule == "exponential":
        return float(recipe.learning_rate * recipe.decay_rate ** (step / recipe.decay_steps))
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Use a learning rate from the next step on."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def resolve_precision(wanted: str, device: torch.device) -> torch.dtype:
    """The type that matrix products are computed in.

    Raises:
        RecipeError: fp16 was asked for on a CPU, whose gradient would underflow without a scaler.
    """
    if wanted == "auto":
        if device.type != "cuda":
            return torch.float32
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if wanted == "fp16" and device.type != "cuda":
        raise RecipeError("precision fp16 needs a GPU; choose fp32 or bf16 on a CPU")
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[wanted]


class MovingAverage:
    """Exponential moving average of a model's parameters (Polyak & Juditsky 1992), which generalises better than the last.

    What else a model keeps (running statistics of a batch norm) is taken as it is at the last step.

    The decay rises with the steps taken, so that the initial weights are soon forgotten. What
    ``torch.optim.swa_utils.AveragedModel`` offers takes a constant decay, or reads its counter back from the GPU each step.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        current = model.state_dict()  # shares the model's memory
        self.weights = {name: value.clone() for name, value in current.items()}
        averaged = [name for name, _ in model.named_parameters(remove_duplicate=False)]
        self._averages, self._parameters = ([state[name] for name in averaged] for state in (self.weights, current))
        self._others = [(self.weights[name], current[name]) for name in current if name not in set(averaged)]

    @torch.no_grad()
    def update(self) -> None:
        """Take the model's present weights into account."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self._averages, self._parameters, 1 - decay)
        for kept, present in self._others:
            kept.copy_(present)
        self.steps += 1

    def load(self, weights: dict[str, Tensor], steps: int) -> None:
        """Go on from saved weights."""
        self.steps = steps
        for name, value in self.weights.items():
            value.copy_(weights[name])


def class_weights(labels: Tensor, classes: int, recipe: Recipe) -> Tensor:
    """How much a galaxy of each class counts: float (classes,), with the mean 1 over all labelled galaxies.

    Args:
        labels: int64 (N,), -1 where there is none.
        classes: how many there are.
        recipe: weights are class sizes to the power of minus ``balance_power``.
    """
    counts = torch.bincount(labels[labels >= 0], minlength=classes).clamp(min=1).double()
    weights = counts**-recipe.balance_power
    return (weights * counts.sum() / (weights * counts).sum()).float()


def row_weights(labels: Tensor, weights: Tensor) -> NDArray[np.float64]:
    """How often each row is drawn, float64 (N,): by its class's weight; one without a class counts as the mean."""
    return torch.cat([weights, torch.ones(1)])[labels].double().numpy()  # -1, no class, is the last
