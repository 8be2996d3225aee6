"""The feature vector of a traced model."""

from __future__ import annotations

import io

import torch
from torch import Tensor, nn

from training.artifact.features import give_features
from training.artifact.flat import FlatModule

ONES = torch.ones(2, 4)


class Layers(nn.Module):
    """A linear layer on squares."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x * x)


class Ending(Layers):
    """The same with an activation behind it."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).relu()


def test_features_are_what_the_last_layer_is_given() -> None:
    """They stand behind the outputs, which stay the same to the last bit, also when the graph has been written and read."""
    model = Layers().eval()
    core = torch.jit.trace(FlatModule(model), ONES, check_trace=False)
    assert give_features(core) == 4
    file = io.BytesIO()
    torch.jit.save(core, file)
    images = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    given = torch.jit.load(io.BytesIO(file.getvalue()))(images)
    assert torch.equal(given[:, :3], model(images))
    assert torch.equal(given[:, 3:], images * images)


def test_a_model_that_ends_otherwise_gives_none() -> None:
    """Where the last step is no linear layer, nothing is changed."""
    core = torch.jit.trace(FlatModule(Ending().eval()), ONES, check_trace=False)
    assert give_features(core) == 0
    assert core(ONES).shape == (2, 3)
