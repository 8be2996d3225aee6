"""How well predicted vote fractions agree with those of volunteers: their error, and whether they mean what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosmoformer.models.artifact import Metadata
from cosmoformer.votes.fractions import to_conditional, to_cumulative
from cosmoformer.votes.tree import TREES, Tree
from training.evaluation.metrics import BINS, bootstrap_root_mean

Floats = NDArray[np.floating]
_DIGITS = 5
#: How many volunteers looked at a galaxy of Galaxy Zoo 2, in the median (Willett et al. 2013, section 2.2).
VOLUNTEERS = 44


@dataclass(frozen=True)
class VoteBin:
    """Answers whose predicted fraction lies in one interval, of one question.

    Attributes:
        low: lower end of the interval.
        high: upper end.
        asked: galaxies, each counted by the share of its volunteers who were asked, summed over the answers.
        predicted: mean predicted fraction, weighted likewise; 0 where ``asked`` is.
        voted: mean fraction that the volunteers gave, likewise.
    """

    low: float
    high: float
    asked: float
    predicted: float
    voted: float


@dataclass(frozen=True)
class QuestionFigures:
    """How well one question's fractions are told.

    Attributes:
        name: of the question.
        asked: mean share of the volunteers who were asked it.
        rmse: root mean square error of its cumulative fractions.
        calibration_error: mean difference of predicted and voted over the bins, weighted by ``asked``.
        reliability: bins of conditional fractions.
        accuracy: share of galaxies whose most likely answer is the volunteers' most frequent one, each galaxy counted by how
            many were asked; None in a record from before this was measured.
        chance: root mean square error that a model would show which told the true fractions, as each galaxy had
            :data:`VOLUNTEERS` only. None likewise.
    """

    name: str
    asked: float
    rmse: float
    calibration_error: float
    reliability: tuple[VoteBin, ...]
    accuracy: float | None = None
    chance: float | None = None


@dataclass(frozen=True)
class VoteFigures:
    """How well vote fractions are told.

    Attributes:
        images: galaxies of which every fraction is known.
        rmse: root mean square error of the cumulative fractions, over all answers, as the Galaxy Zoo Challenge scored.
        questions: one by one, in the order of the tree.
        rmse_low: lower end of the 95 % interval of ``rmse``, by a bootstrap over galaxies; None in a record from before.
        rmse_high: upper end.
        chance: as of a question, over all answers.
    """

    images: int
    rmse: float
    questions: tuple[QuestionFigures, ...]
    rmse_low: float | None = None
    rmse_high: float | None = None
    chance: float | None = None


def votes_told(metadata: Metadata, outputs: Floats, targets: Floats) -> VoteFigures | None:
    """How well an artifact tells votes; None where it tells none, or no image has the volunteers' for the whole tree.

    Args:
        metadata: of the artifact.
        outputs: all that it gives, (N, names).
        targets: the images' targets, (N, T); the tree's cumulative fractions where there are any.
    """
    fractions = metadata.fractions
    if fractions is None or (tree := TREES[fractions.tree]).labels != fractions.labels:
        return None
    if targets.shape[1] != len(tree.labels) or not np.isfinite(targets).all(axis=1).any():
        return None
    start = len(metadata.classes)
    return vote_figures(tree, outputs[:, start : start + len(tree.labels)], targets)


def vote_figures(tree: Tree, conditional: Floats, cumulative: Floats) -> VoteFigures:
    """Compare predicted fractions with volunteers' votes, on the galaxies of which every fraction is known.

    Args:
        tree: the decision tree.
        conditional: predicted, (N, answers).
        cumulative: the volunteers', (N, answers), as the Challenge has them; NaN where they are not known.

    Raises:
        ValueError: no galaxy has all votes.
    """
    whole = np.isfinite(cumulative).all(axis=1)
    if not whole.any():
        raise ValueError(f"none of {len(cumulative)} galaxies has all {len(tree.labels)} votes")
    told, voted = np.asarray(conditional, np.float64)[whole], np.asarray(cumulative, np.float64)[whole]
    errors = to_cumulative(tree, told) - voted
    shares = to_conditional(tree, voted)
    questions, start = [], 0
    for question in tree.questions:
        part = slice(start, start := start + len(question.answers))
        questions.append(_of_question(question.name, told[:, part], voted[:, part], shares[:, part], errors[:, part]))
    interval = bootstrap_root_mean((errors**2).mean(axis=1))
    ends = (_rounded(interval.low), _rounded(interval.high))
    return VoteFigures(int(whole.sum()), _root_mean_square(errors), tuple(questions), *ends, _chance(voted))


def _of_question(name: str, told: Floats, voted: Floats, shares: Floats, errors: Floats) -> QuestionFigures:
    asked = voted.sum(axis=1)
    bins = _reliability(told, np.nan_to_num(shares), asked)
    total = sum(one.asked for one in bins)
    off = sum(one.asked * abs(one.predicted - one.voted) for one in bins) / total if total else 0.0
    right = told.argmax(axis=1) == voted.argmax(axis=1)
    accuracy = (asked * right).sum() / asked.sum() if asked.any() else 0.0
    return QuestionFigures(
        name, _rounded(asked.mean()), _root_mean_square(errors), _rounded(off), bins, _rounded(accuracy), _chance(voted)
    )


def _chance(voted: Floats) -> float:
    """The binomial deviation of cumulative fractions (N, answers), estimated from those of as many volunteers."""
    return _rounded(np.sqrt((voted * (1 - voted) / (VOLUNTEERS - 1)).mean()))


def _root_mean_square(errors: Floats) -> float:
    return _rounded(np.sqrt((errors**2).mean()))


def _rounded(value: float | np.floating) -> float:
    return round(float(value), _DIGITS)


def _reliability(told: Floats, voted: Floats, asked: Floats) -> tuple[VoteBin, ...]:
    weights = np.broadcast_to(asked[:, None], told.shape)
    place = np.minimum((told * BINS).astype(int), BINS - 1)
    found = []
    for index in range(BINS):
        inside = place == index
        weight = float(weights[inside].sum())
        means = [
            float((weights[inside] * numbers[inside]).sum() / weight) if weight else 0.0 for numbers in (told, voted)
        ]
        found.append(VoteBin(*map(_rounded, (index / BINS, (index + 1) / BINS, weight, *means))))
    return tuple(found)


def votes_of(members: Mapping[str, Any]) -> VoteFigures:
    """The figures of which these are the members, as a report has them."""
    questions = tuple(
        QuestionFigures(**one | {"reliability": tuple(VoteBin(**bin_) for bin_ in one["reliability"])})
        for one in members["questions"]
    )
    return VoteFigures(**{**members, "questions": questions})
