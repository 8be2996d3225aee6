"""The baseline CNN of Ng (2024, "Classifying galaxy morphologies with Convolutional Neural Networks and Vision Transformers").

Four blocks of a large convolution, batch norm, ReLU and max pooling; a bottleneck of 1 × 1 convolutions; one linear layer. The
paper tells the kernels, its published program the widths; at the paper's side of 128 pixels and 37 outputs there are 2.9 million
parameters. What makes vote fractions of the outputs, a sigmoid in the paper, is the task's.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from training.models import Model, of_one_side, without_branches

KERNELS = (17, 13, 9, 7)
WIDTHS = (32, 64, 128, 256)
BOTTLENECK = 96
_HALVINGS = 2 ** len(KERNELS)


def build(
    name: str,
    outputs: int,
    image_size: int,
    *,
    drop_path: float = 0.0,
    dropout: float = 0.0,
    attention: Callable[[int], nn.Module] | None = None,
) -> nn.Sequential:
    """The network for square RGB images of ``image_size`` pixels.

    Args:
        name: as recipes call it.
        outputs: how many it has.
        image_size: at least 16, the four halvings.
        drop_path: must be 0: there are no branches.
        dropout: chance that a feature is dropped before the last layer while training; the paper has none.
        attention: makes what stands between ReLU and pooling of a block of so many channels; None for nothing.

    Raises:
        ValueError: ``image_size`` is too small, or ``drop_path`` is not 0.
    """
    without_branches(name, drop_path)
    if image_size < _HALVINGS:
        raise ValueError(
            f"{name} halves its images {len(KERNELS)} times: expected {_HALVINGS} pixels or more, got {image_size}"
        )
    layers: list[nn.Module] = []
    channels = 3
    for kernel, width in zip(KERNELS, WIDTHS, strict=True):
        layers += _convolution(channels, width, kernel)
        layers += [attention(width)] if attention else []
        layers.append(nn.MaxPool2d(2))
        channels = width
    layers += _convolution(channels, BOTTLENECK, 1)
    features = BOTTLENECK * (image_size // _HALVINGS) ** 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(dropout), nn.Linear(features, outputs))


def _convolution(channels: int, width: int, kernel: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, width, kernel, padding=kernel // 2), nn.BatchNorm2d(width), nn.ReLU()]


def _build(outputs: int, image_size: int, *, drop_path: float = 0.0, dropout: float = 0.0) -> nn.Module:
    return build("baseline_cnn", outputs, image_size, drop_path=drop_path, dropout=dropout)


MODEL = Model("baseline_cnn", (), _build, lambda network: network, of_one_side("baseline_cnn"))
