"""What is exported around a model: views of an image that it averages over."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from training.artifact.classifier import Classifier, IndependentVotes
from training.evaluation.views import views

SIDE = 12


class Corner(nn.Module):
    """Three outputs from one corner of an image, which no two views share."""

    def forward(self, images: Tensor) -> Tensor:
        return images[:, :, 1, 2] * 3


class CornerWithFeatures(Corner):
    """The same with two features behind the outputs: half of what the other corner of each of two channels has."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([images[:, :, 1, 2] * 3, images[:, :2, 9, 8] / 2], dim=1)


@pytest.mark.parametrize("count", [2, 8, 16])
@pytest.mark.parametrize(("kind", "classes", "answers"), [(Classifier, 3, []), (IndependentVotes, 0, [3])])
def test_an_artifact_averages_over_views(kind: type[Classifier], classes: int, answers: list[int], count: int) -> None:
    """It gives the mean of what it gives for the views that an evaluation makes, also scripted, at any side of the images."""
    images = torch.randint(
        0, 256, (2, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(count)
    )
    alone, many = (kind(Corner(), SIDE, 1.0, 1.0, classes, answers, views=number) for number in (1, count))
    script = torch.jit.script(many.eval())
    each = torch.stack([alone.cropped(change(images, torch.arange(2).numpy())) for change in views(count)])
    assert each.std(dim=0).min() > 0
    for module in (many, script):
        assert torch.allclose(module.cropped(images), each.mean(dim=0), atol=1e-5)
        assert torch.allclose(module(images), each.mean(dim=0), atol=1e-5)


@pytest.mark.parametrize("count", [1, 8])
def test_features_stand_behind_the_outputs(count: int) -> None:
    """Of what a model gives, the last columns are features: they are given beside the predictions, which stay as they were."""
    images = torch.randint(0, 256, (2, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    alone = Classifier(Corner(), SIDE, 1.0, 1.0, 3, views=count)
    both = torch.jit.script(Classifier(CornerWithFeatures(), SIDE, 1.0, 1.0, 3, features=2, views=count).eval())
    told, features = both.described(images)
    assert (
        torch.equal(told, alone(images)) and torch.equal(told, both(images)) and torch.equal(told, both.cropped(images))
    )
    seen = torch.stack([CornerWithFeatures()(_normalised(change(images))) for change in _changes(count)])[:, :, 3:]
    assert torch.allclose(features, seen.mean(dim=0), atol=1e-5)


def _changes(count: int) -> list[Callable[[Tensor], Tensor]]:
    if count == 1:
        return [lambda images: images]
    return [lambda images, change=change: change(images, torch.arange(2).numpy()) for change in views(count)]


def _normalised(images: Tensor) -> Tensor:
    module = Classifier(Corner(), SIDE, 1.0, 1.0, 3)
    return (images / 255.0 - module.mean) / module.std


def test_one_view_is_the_image_as_it_is() -> None:
    """Without further views nothing is turned, and an odd number of them is refused."""
    images = torch.randint(0, 256, (2, 3, SIDE, SIDE), dtype=torch.uint8)
    module = Classifier(Corner(), SIDE, 1.0, 1.0, 3)
    assert torch.equal(module(images), module.view(images)[0])
    with pytest.raises(ValueError, match="must be even and above 0"):
        Classifier(Corner(), SIDE, 1.0, 1.0, 3, (), views=3)


def test_votes_that_nobody_gives_are_alike() -> None:
    """Where a model gives no answer any fraction, its conditional fractions still are numbers that sum to 1."""
    module = IndependentVotes(Corner(), SIDE, 1.0, 1.0, 0, [2, 3])
    told = module.told(torch.full((1, 5), -200.0))
    assert torch.allclose(told, torch.tensor([[0.5, 0.5, 1 / 3, 1 / 3, 1 / 3]]))
