"""ConvNet of the notebook "Galaxy Imagery Classification": three small convolutions with max pooling, two linear layers.

The notebook has a last layer for each of the 11 questions; side by side they are the one that stands here.
"""

from __future__ import annotations

from torch import nn

from training.models import Model, of_one_side, without_branches

WIDTHS = (10, 20, 40)
KERNEL = 4
HIDDEN = 300


def build(
    outputs: int, image_size: int, *, drop_path: float = 0.0, dropout: float = 0.0, channels: int = 3
) -> nn.Module:
    """The network for square images of ``image_size`` pixels.

    Args:
        outputs: how many it has.
        image_size: at least 29, else nothing is left after the three poolings.
        drop_path: must be 0: there are no branches.
        dropout: chance that a hidden feature is dropped while training; the notebook has none.
        channels: 3, or 1 for grey images.

    Raises:
        ValueError: ``image_size`` is too small, or ``drop_path`` is not 0.
    """
    without_branches("convnet", drop_path)
    layers: list[nn.Module] = []
    side = image_size
    for width in WIDTHS:
        layers += [nn.Conv2d(channels, width, KERNEL), nn.MaxPool2d(2), nn.ReLU()]
        channels, side = width, (side - KERNEL + 1) // 2
    if side < 1:
        raise ValueError(f"convnet takes images of 29 pixels or more, got {image_size}")
    hidden = [nn.Flatten(), nn.Linear(channels * side**2, HIDDEN), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, *hidden, nn.Linear(HIDDEN, outputs))


MODEL = Model("convnet", (), build, lambda network: network, of_one_side("convnet"), takes_grey=True)
