"""What a network is shown of an image: pixels from -1 to 1 instead of normalised ones."""

from __future__ import annotations

import torch
from torch import nn

from training import models
from training.augmentation.augment import normalise
from training.loop.initial_weights import start_from
from training.models import Model, Symmetric


def test_black_is_minus_one_and_white_is_one() -> None:
    """As x / 127.5 - 1 gives it of bytes (Tan 2023, section 2.2.1), from images normalised as all are."""
    pixels = torch.randint(0, 256, (2, 3, 8, 8))
    seen = Symmetric(nn.Identity())(normalise(pixels / 255))
    assert torch.allclose(seen, pixels / 127.5 - 1, atol=1e-5)


def test_any_model_may_see_them_and_starts_from_the_same_weights() -> None:
    """Weights of the bare network fit; its outputs are those of the bare one for such pixels, also prepared for tracing."""
    bare = models.find("timm/test_efficientnet")
    symmetric: Model = bare.in_symmetric_range()
    torch.manual_seed(0)
    weights = bare.build(7, 32).state_dict()
    network = symmetric.build(7, 32)
    assert start_from(network, symmetric.adapted(network, weights)) == []
    pixels = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        expected = bare.load(7, 32, weights)(2 * pixels - 1)
        for prepared in (network.eval(), symmetric.for_inference(symmetric.load(7, 32, network.state_dict()))):
            assert torch.allclose(prepared(normalise(pixels)), expected, atol=1e-4)
