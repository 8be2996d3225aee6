"""The score ``in_domain``: how much an image looks like the galaxies that a model was trained on; a row of its last layer.

A logistic regression tells features of galaxies of the training split from those of rendered pictures that are no galaxy
(:mod:`cosmoformer.render.foreign`). Its logit is shifted so that a score of 0.5 is what all but a few in a thousand galaxies of
the validation split are above. Scores cost no time: the row is multiplied with the others.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional

from cosmoformer.render.foreign import KINDS, foreign
from training.data.cache import ImageCache
from training.evaluation.views import Change
from training.heads.features import Draw, of_images, of_pictures
from training.tasks import Task

ARTIFACT_VOTE = "Class1.3"  # of the Challenge: the share of volunteers who saw a star or an artifact
_MOST_ARTIFACT_VOTES = 0.5
_ITERATIONS = 3000
_JPEG_QUALITIES = (30, 96)


@dataclass(frozen=True)
class DomainRecipe:
    """How the score is learned.

    Attributes:
        pictures: rendered pictures that are no galaxy, of all kinds in turn; every other one goes through JPEG first.
        galaxies: of the training split, drawn at random, and at most so many of each other survey. Where there is none, each also
            counts as it would look in another survey.
        flagged: share of the validation split's galaxies that get less than 0.5.
        strength: inverse of the regularisation (scikit-learn's ``C``).
        seed: of pictures and draws.
    """

    pictures: int = 800
    galaxies: int = 1000
    flagged: float = 0.005
    strength: float = 1e-2
    seed: int = 0


@dataclass(frozen=True)
class Row:
    """A row of the last layer: weights (1, F) and bias (1,)."""

    weight: Tensor
    bias: Tensor


def learn(
    trunk: nn.Module,
    task: Task,
    train: ImageCache,
    val: ImageCache,
    recipe: DomainRecipe,
    others: Iterable[Tensor] = (),
) -> Row:
    """The row of the score.

    Args:
        trunk: gives features (N, F), as :class:`training.heads.last_layer.Opened` has it.
        task: what the network was trained for; its crop is what is looked at.
        train: galaxies to learn from.
        val: galaxies that the score is calibrated on.
        recipe: how to learn.
        others: features of other surveys' galaxies, float32 (n, F) each. Each set weighs as much as the training galaxies.
    """
    random = np.random.default_rng(recipe.seed)
    known = np.flatnonzero(_are_galaxies(train, task))
    rows = np.sort(random.permutation(known)[: recipe.galaxies])
    size, crop = int(train.pixels.shape[1]), task.crop
    as_they_are = of_images(trunk, train, rows, what="features of galaxies")
    # Galaxies that are pictured otherwise: real ones where there are any, which tell more, else imitations.
    more = list(others) or [
        of_images(trunk, train, rows, elsewhere(recipe.seed), what="features of galaxies, seen otherwise")
    ]
    strange = of_pictures(
        trunk, drawing(recipe.seed), recipe.pictures, size=size, crop=crop, what="features of other pictures"
    )
    row = _regression(as_they_are, [as_they_are, *more], strange, recipe.strength)
    judged = of_images(trunk, val, np.flatnonzero(_are_galaxies(val, task)), what="features to calibrate on")
    logits = functional.linear(judged, row.weight, row.bias)[:, 0]
    return Row(row.weight, row.bias - logits.double().quantile(recipe.flagged).float())


def _are_galaxies(cache: ImageCache, task: Task) -> NDArray[np.bool_]:
    """Which images most volunteers took for a galaxy; all, where their votes are not known."""
    if ARTIFACT_VOTE not in task.targets:
        return np.ones(len(cache.labels), dtype=bool)
    votes = cache.targets[:, task.targets.index(ARTIFACT_VOTE)]
    return ~(votes > _MOST_ARTIFACT_VOTES)  # unknown ones are NaN


def _regression(typical: Tensor, galaxies: list[Tensor], strange: Tensor, strength: float) -> Row:
    """A logistic regression on features that are standardised as the typical ones, as a row for features as they come."""
    mean, scale = typical.mean(dim=0), typical.std(dim=0).clamp(min=1e-6)
    groups = [*galaxies, strange]
    features = torch.cat([(group - mean) / scale for group in groups]).double().numpy()
    is_galaxy = np.repeat([1] * len(galaxies) + [0], [len(group) for group in groups])
    # Each group of galaxies counts the same, and all together as much as the pictures.
    shares = [1 / len(galaxies)] * len(galaxies) + [1.0]
    weights = np.concatenate(
        [np.full(len(group), share * len(typical) / len(group)) for group, share in zip(groups, shares, strict=True)]
    )
    found = LogisticRegression(C=strength, max_iter=_ITERATIONS).fit(features, is_galaxy, weights)
    weight = torch.from_numpy(found.coef_).float() / scale
    return Row(weight, torch.from_numpy(found.intercept_).float() - weight @ mean)


def drawing(seed: int) -> Draw:
    """Pictures that are no galaxy, by number: each its own, whichever thread asks for it."""

    def draw(number: int) -> NDArray[np.uint8]:
        random = np.random.default_rng((seed, number))
        picture = foreign(list(KINDS)[number % len(KINDS)], random)
        return _through_jpeg(picture, random) if number // len(KINDS) % 2 else picture

    return draw


def _through_jpeg(picture: NDArray[np.uint8], random: Generator) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=int(random.integers(*_JPEG_QUALITIES)))
    return np.array(Image.open(file))


def elsewhere(seed: int) -> Change:
    """Galaxies as other surveys show them: larger in their frame, with other colours and another stretch."""

    def change(images: Tensor, rows: NDArray[np.int64]) -> Tensor:
        randoms = [np.random.default_rng((seed, int(row))) for row in rows]
        return torch.stack([_elsewhere(image, random) for image, random in zip(images, randoms, strict=True)])

    return change


def _elsewhere(image: Tensor, random: Generator) -> Tensor:
    side = image.shape[-1]
    keep = max(1, round(side / random.uniform(1.0, 2.5)))
    start = (side - keep) // 2
    centre = image[None, :, start : start + keep, start : start + keep].float()
    larger = functional.interpolate(centre, size=[side, side], mode="bicubic", align_corners=False)[0]
    gains = torch.from_numpy(random.uniform(0.6, 1.4, 3) * random.uniform(0.7, 1.5)).float()
    light = (larger / 255).clamp(0, 1) ** random.uniform(0.7, 1.3) * gains[:, None, None] + random.uniform(0.0, 0.1)
    return (light * 255).round().clamp(0, 255).to(torch.uint8)
