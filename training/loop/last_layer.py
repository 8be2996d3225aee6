"""A model's last layer, which gives its outputs, and the features that it is given."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class LastLayer:
    """The last layer of a model, and its name in there."""

    name: str
    layer: nn.Linear

    @classmethod
    def of(cls, model: nn.Module, outputs: int) -> LastLayer:
        """The one with so many outputs; where several have as many, the one whose weights come last.

        Raises:
            ValueError: there is none, or it cannot be told which.
        """
        layers = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, nn.Linear)]
        layers = [(name, layer) for name, layer in layers if layer.out_features == outputs]
        if len(layers) > 1:  # a CrossFormer's position biases come from layers with 8, 16, 32 and 64 outputs
            final = [*model.parameters()][-1]
            layers = [(name, layer) for name, layer in layers if any(own is final for own in layer.parameters())]
        if len(layers) != 1:
            raise ValueError(f"expected one last layer with {outputs} outputs, found {len(layers)}")
        return cls(*layers[0])

    def replaced(self, model: nn.Module, other: nn.Module) -> None:
        """Put another one into its place in the model."""
        parent, _, own = self.name.rpartition(".")
        setattr(model.get_submodule(parent), own, other)

    def trunk(self, model: nn.Module) -> nn.Module:
        """A copy of the model that gives what this layer is given: features (N, F)."""
        copy = deepcopy(model)
        self.replaced(copy, nn.Identity())
        return copy


def freeze_features(model: nn.Module, outputs: int) -> None:
    """Let nothing but the last layer learn.

    Raises:
        ValueError: as :meth:`LastLayer.of`.
    """
    learning = LastLayer.of(model, outputs).layer
    model.requires_grad_(False)
    learning.requires_grad_(True)


def to_training(model: nn.Module) -> None:
    """Training mode, for all but what is frozen: its batch norms keep the statistics that its weights go with."""
    model.train()
    for module in model.modules():
        own = list(module.parameters())
        if own and not any(parameter.requires_grad for parameter in own):
            module.eval()
