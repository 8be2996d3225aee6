"""How well ``in_domain`` tells galaxies from pictures that are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cosmoformer.cpus import cpu_limit
from cosmoformer.models.artifact import Artifact
from cosmoformer.models.outputs import DOMAIN
from training.evaluation.inference import in_batches
from training.evaluation.strangers import KINDS, stranger

BELOW = 0.5  # what NO_GALAXY_BELOW is unless somebody sets it
PICTURES_A_KIND = 60
_DIGITS = 5


@dataclass(frozen=True)
class Flagged:
    """Pictures of one origin, and the share of them that is taken for no galaxy."""

    name: str
    pictures: int
    share: float


@dataclass(frozen=True)
class DomainFigures:
    """How well the score tells galaxies from what is none.

    Attributes:
        below: the score that what is flagged has less than.
        galaxies: those of the split that was measured.
        strangers: pictures of :mod:`training.evaluation.strangers`, by kind.
    """

    below: float
    galaxies: Flagged
    strangers: tuple[Flagged, ...]

    @property
    def strangers_share(self) -> float:
        """The share of all strangers that is flagged."""
        total = sum(one.pictures for one in self.strangers)
        return _rounded(sum(one.share * one.pictures for one in self.strangers) / total)


def domain_figures(model: Artifact, split: str, scores: NDArray[np.float64]) -> DomainFigures | None:
    """Measure an artifact's score.

    Args:
        model: the artifact.
        split: name of the galaxies.
        scores: float64 (N,), of these galaxies.

    Returns:
        None for a model that gives no such score.
    """
    if DOMAIN not in model.metadata.values:
        return None
    return DomainFigures(
        BELOW,
        flagged(split, scores),
        tuple(flagged(kind, scores_of(model, _drawing(kind), PICTURES_A_KIND, kind)) for kind in KINDS),
    )


def flagged(name: str, scores: NDArray[np.float64]) -> Flagged:
    """How many of some pictures are flagged, by their scores (N,)."""
    return Flagged(name, len(scores), _rounded((scores < BELOW).mean()))


def scores_of(model: Artifact, draw: Callable[[int], NDArray[np.uint8]], count: int, what: str) -> NDArray[np.float64]:
    """Scores, float64 (count,), of pictures as somebody would upload them.

    Args:
        model: the artifact.
        draw: gives the picture of a number from 0, uint8 (S, S, 3); asked in several threads.
        count: how many there are.
        what: said by the progress bar.
    """
    place = model.metadata.names.index(DOMAIN.name)

    def judge(batch: NDArray[np.int64]) -> NDArray[np.float64]:
        pictures = [torch.from_numpy(draw(int(number))).permute(2, 0, 1)[None] for number in batch]
        return torch.cat([model.predict(picture)[:, place] for picture in pictures]).double().numpy()

    return in_batches(judge, np.arange(count), cpu_limit(), what)


def _drawing(kind: str) -> Callable[[int], NDArray[np.uint8]]:
    place = list(KINDS).index(kind)
    return lambda number: stranger(kind, np.random.default_rng((place, number)))


def _rounded(value: float | np.floating) -> float:
    return round(float(value), _DIGITS)


def domain_of(members: Mapping[str, Any]) -> DomainFigures:
    """The figures of which these are the members, as a report has them."""
    strangers = tuple(Flagged(**one) for one in members["strangers"])
    return DomainFigures(members["below"], Flagged(**members["galaxies"]), strangers)
