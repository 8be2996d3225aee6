"""Networks of timm as they are exported: the same function, and weights that training can start from again."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks.backbones import lived
from training import models
from training.artifact.flat import FlatModule, full_name
from training.artifact.folded import Settled, fold, unfolded


# MobileViT's maps of 96 pixels end at 3 × 3, which its patches do not divide.
@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("mobilevit_xxs", 64),
        ("mobilevit_xxs", 96),
        ("mobilenetv3_large_100", 32),
        ("mobilenetv2_100", 32),
        ("resnet18", 32),
        ("densenet121", 32),
    ],
)
def test_an_exported_network_gives_the_same_and_keeps_its_weights(name: str, side: int) -> None:
    """Traced or not, at any batch size, to rounding; what was trained can be read back from it, name by name."""
    kind = models.find(f"timm/{name}")
    weights = lived(kind.build(10, side)).state_dict()
    inference = kind.for_inference(kind.load(10, side, weights))
    with torch.no_grad():
        core = torch.jit.trace(FlatModule(inference), torch.zeros(2, 3, side, side), check_trace=False)
        images = torch.randn(3, 3, side, side)
        expected = kind.load(10, side, weights)(images)
        scale = float(expected.abs().max())
        for network in (inference, core):
            assert torch.allclose(network(images), expected, atol=1e-5 * scale)
    assert any("folded_scale" in key for key in core.state_dict())
    back = unfolded({full_name(key): value for key, value in core.state_dict().items()})
    assert set(weights) <= set(back)
    for key, value in weights.items():
        assert torch.allclose(back[key], value, rtol=1e-4, atol=1e-6), key
    trained = [key for key, _ in kind.build(10, side).named_parameters()]
    assert {full_name(key) for key, _ in core.named_parameters()} == set(trained)


class Small(nn.Module):
    """A convolution whose outputs a batch norm sees; ``gain`` is the norm's factor."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        nn.init.constant_(self.norm.weight, gain)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        normed: torch.Tensor = self.norm(self.conv(images))
        return normed


def test_a_norm_that_lets_nothing_through_stays() -> None:
    """Weights that were multiplied by zero could not be read back: such a norm is left as it is."""
    assert isinstance(fold(Small(1.0).eval()).norm, Settled)
    assert isinstance(fold(Small(0.0).eval()).norm, nn.BatchNorm2d)


def test_networks_without_batch_norms_stay_as_they_are() -> None:
    """A transformer has nothing to fold, and is not run to find out."""
    network = models.find("timm/vit_tiny_patch16_224").build(5, 32).eval()
    before = [type(module) for module in network.modules()]
    assert [type(module) for module in fold(network).modules()] == before
