"""LinNet of the notebook "Galaxy Imagery Classification": pixels, 300 hidden features and the outputs, no convolution.

What a network without any sense of neighbourhood can do, for others to be compared with.
"""

from __future__ import annotations

from torch import nn

from training.models import Model, of_one_side, without_branches

HIDDEN = 300


def build(
    outputs: int, image_size: int, *, drop_path: float = 0.0, dropout: float = 0.0, channels: int = 3
) -> nn.Module:
    """The network for square images of ``image_size`` pixels.

    Args:
        outputs: how many it has.
        image_size: any.
        drop_path: must be 0: there are no branches.
        dropout: chance that a hidden feature is dropped while training; the notebook has none.
        channels: 3, or 1 for grey images.

    Raises:
        ValueError: ``drop_path`` is not 0.
    """
    without_branches("linnet", drop_path)
    pixels = channels * image_size**2
    return nn.Sequential(
        nn.Flatten(), nn.Linear(pixels, HIDDEN), nn.ReLU(), nn.Dropout(dropout), nn.Linear(HIDDEN, outputs)
    )


MODEL = Model("linnet", (), build, lambda network: network, of_one_side("linnet"), takes_grey=True)
