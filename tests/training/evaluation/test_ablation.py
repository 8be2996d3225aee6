"""Ablation maps of networks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from training import models
from training.evaluation.ablation import ablation_map, last_map


class _Spots(nn.Module):
    """Two outputs: how much red and how much green there is, by a map of a quarter of the side."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.AvgPool2d(2), nn.AvgPool2d(2))
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * self.features(images).mean(dim=(2, 3))[:, :2]


def test_an_output_rests_on_the_channels_that_make_it() -> None:
    """The map of an output is greatest where its own channel is, and leaves the model as it was."""
    image = torch.zeros(1, 3, 32, 32)
    image[:, 0, 4:8, 4:8] = image[:, 1, 24:28, 24:28] = 1.0
    model = _Spots().eval()
    before = model(image)
    for output, place in enumerate([(6, 6), (26, 26)]):
        found = ablation_map(model, image, output)
        assert (found.shape, divmod(int(found.argmax()), 32)[0] // 16) == ((32, 32), place[0] // 16)
    assert torch.equal(model(image), before)


@pytest.mark.parametrize("name", ["crossformer", "timm/resnet18"])
def test_the_last_feature_map_is_found(name: str) -> None:
    """It has as many channels as the last layer's input, and more than one place."""
    kind, image = models.find(name), torch.zeros(1, 3, 112, 112)
    model = kind.in_parts(kind.build(4, 112).eval())
    given: list[Tensor] = []
    handle = last_map(model, image).register_forward_hook(lambda _part, _given, maps: given.append(maps))
    with torch.inference_mode():
        model(image)
    handle.remove()
    last = [layer for layer in model.modules() if isinstance(layer, nn.Linear)][-1]
    assert given[0].shape[1] == last.in_features
    assert given[0].shape[-1] > 1


def test_a_model_without_a_feature_map_is_refused() -> None:
    """There is nothing in it to leave out."""
    flat = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(ValueError, match="no feature map"):
        last_map(flat, torch.zeros(1, 3, 2, 2))
