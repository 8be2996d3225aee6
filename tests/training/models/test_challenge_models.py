"""The networks of the Galaxy Zoo Challenge's two sources: their size, their sides, and what grey images are to them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from training import models
from training.augmentation.augment import STD
from training.augmentation.image_operations import GREY
from training.models.cbam_cnn import Cbam


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("name", "side", "parameters"),
    [
        # Kernels 17, 13, 9, 7 between 3, 32, 64, 128 and 256 maps with biases, batch norms, a bottleneck of 96, 96·8·8 → 37.
        ("baseline_cnn", 128, 27_776 + 346_176 + 663_680 + 1_605_888 + 2 * 480 + 24_672 + 2 * 96 + 227_365),
        # The same with C·C/4 + C/4 + C/4·C + C for each number of maps C, and four spatial convolutions of 2·49 + 1.
        ("cbam_cnn", 128, 2_896_709 + 552 + 2_128 + 8_352 + 33_088 + 4 * 99),
        # Kernels of 4 between 3, 10, 20 and 40 maps; 40·5·5 = 1,000 features, as the notebook has it, 300, 37.
        ("convnet", 64, 490 + 3_220 + 12_840 + 300_300 + 11_137),
        ("linnet", 64, 3 * 64 * 64 * 300 + 300 + 11_137),
    ],
)
def test_a_network_has_the_parameters_of_its_source(name: str, side: int, parameters: int) -> None:
    """At the source's side and 37 outputs it has so many, as computed by hand, and gives an output for each answer."""
    network = models.find(name).build(37, side).eval()
    assert count(network) == parameters
    with torch.no_grad():
        assert network(torch.zeros(1, 3, side, side)).shape == (1, 37)


@pytest.mark.parametrize(("name", "side"), [("baseline_cnn", 33), ("cbam_cnn", 16), ("convnet", 29), ("linnet", 7)])
def test_a_network_takes_other_sides(name: str, side: int) -> None:
    """Built for another side, also an odd one, it takes a batch of that side; another side afterwards is refused."""
    network = models.find(name).build(5, side, dropout=0.5).eval()
    with torch.no_grad():
        assert network(torch.zeros(2, 3, side, side)).shape == (2, 5)
    with pytest.raises(ValueError, match=f"{name} takes images of one side only"):
        models.find(name).look_at(network, 2 * side)


@pytest.mark.parametrize(("name", "side"), [("baseline_cnn", 15), ("cbam_cnn", 15), ("convnet", 28)])
def test_a_side_that_is_too_small_is_named(name: str, side: int) -> None:
    """What would leave no pixel after all poolings is refused with the least that does."""
    with pytest.raises(ValueError, match=rf"{name} .*{side + 1} pixels or more, got {side}"):
        models.find(name).build(5, side)


@pytest.mark.parametrize("name", ["baseline_cnn", "cbam_cnn", "convnet", "linnet"])
def test_there_are_no_branches_to_drop(name: str) -> None:
    """Stochastic depth is refused by a network that has none of its branches."""
    with pytest.raises(ValueError, match=f"{name} has no residual branches to drop: set drop_path to 0, got 0.1"):
        models.find(name).build(5, 64, drop_path=0.1)


def test_attention_stresses_channels_and_places() -> None:
    """Indifferent attention adds a quarter; a place that alone is attended to is the only one that is doubled."""
    cbam, maps = Cbam(8), torch.rand(2, 8, 5, 5)
    for parameter in cbam.parameters():
        parameter.data.zero_()
    assert torch.allclose(cbam(maps), 1.25 * maps)
    cbam.of_channels[2].bias.data.fill_(20.0)  # all channels are attended to, twice over
    cbam.of_places.weight.data[0, 1, 3, 3] = 1000.0
    cbam.of_places.bias.data.fill_(-100.0)
    one = torch.zeros(1, 8, 5, 5)
    one[:, :, 2, 3] = 1.0
    assert torch.allclose(cbam(one), 2 * one)
    faint = one / 100  # 0.01 · 1000 - 100 is far below 0
    assert torch.allclose(cbam(faint), faint)


@pytest.mark.parametrize(("name", "channels"), [("convnet", 1), ("timm/test_efficientnet", 3)])
def test_grey_images_have_no_colours(name: str, channels: int) -> None:
    """In grey, images of the same brightness are the same image to any network; one that can takes a single channel."""
    kind = models.find(name).in_grey()
    torch.manual_seed(0)
    network = kind.build(5, 64).eval()
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    assert first.in_channels == channels
    images = torch.rand(2, 3, 64, 64)
    weights = (torch.tensor(GREY) * torch.tensor(STD)).view(3, 1, 1)
    grey = (images * weights).sum(dim=1, keepdim=True) / weights.sum()
    with torch.no_grad():
        assert torch.allclose(network(images), network(grey.expand(-1, 3, -1, -1)), atol=1e-5)
        assert not torch.allclose(network(images), network(images.flip(1)), atol=1e-5)
        loaded = kind.for_inference(kind.load(5, 64, network.state_dict()))
        assert torch.allclose(loaded(images), network(images), atol=1e-6)  # folded, equal to rounding


def test_weights_of_a_network_fit_its_grey_twin() -> None:
    """Weights of the network itself, and those of a grey one, are found under the names that the grey one has."""
    kind = models.find("timm/test_efficientnet")
    plain, grey = kind.build(5, 64), kind.in_grey().build(5, 64)
    for weights in (plain.state_dict(), grey.state_dict()):
        assert set(kind.in_grey().adapted(grey, weights)) == set(grey.state_dict())
