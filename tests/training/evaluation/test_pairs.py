"""Differences of two artifacts on the same galaxies, against figures that are known otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from cosmoformer.models.gate import HeldOut, paired_bootstrap
from training.evaluation import metrics
from training.evaluation.metrics import Floats, Labels
from training.evaluation.pairs import difference_of_shares, differences


def answers(seed: int, sharpness: float) -> Floats:
    """Class probabilities of 500 galaxies of three classes; the sharper, the more often right."""
    generator = np.random.default_rng(seed)
    raised = np.exp(generator.normal(size=(500, 3)) + sharpness * np.eye(3)[labels()])
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def labels() -> Labels:
    return np.arange(500) % 3


def test_an_artifact_differs_from_itself_in_nothing() -> None:
    """All differences are 0, and so are the ends of their intervals."""
    told = answers(0, 2)
    for one in differences(told, told, labels()):
        assert (one.difference, one.interval.low, one.interval.high) == (0, 0, 0), one.name
        assert one.first == one.second


def test_figures_are_those_of_each_artifact() -> None:
    """Each figure is what is measured of an artifact alone, and the difference is the second's less the first's."""
    pair = (answers(0, 1), answers(1, 3))
    for told, side in zip(pair, ("first", "second"), strict=True):
        accuracy, f1, loss = (getattr(one, side) for one in differences(*pair, labels()))
        confusion = metrics.confusion_matrix(told, labels())
        assert accuracy == pytest.approx(float(metrics.accuracy(confusion)), abs=1e-5)
        assert f1 == pytest.approx(metrics.class_scores(confusion).f1.mean(), abs=1e-5)
        assert loss == pytest.approx(metrics.negative_log_likelihood(told, labels()), abs=1e-5)
    accuracy, f1, loss = differences(*pair, labels())
    assert accuracy.interval.low > 0 and f1.interval.low > 0 and loss.interval.high < 0
    assert accuracy.difference == pytest.approx(accuracy.second - accuracy.first, abs=2e-5)


def test_the_interval_of_accuracies_is_the_gates() -> None:
    """The promotion gate draws the same resamples in another way."""
    first, second = answers(0, 2), answers(1, 2.3)
    champion, candidate = (HeldOut.of("set", metrics.is_right(told, labels())) for told in (first, second))
    verdict = paired_bootstrap(candidate, champion)
    found = differences(first, second, labels())[0]
    assert found.difference == pytest.approx(verdict.difference, abs=1e-5)
    assert (found.interval.low, found.interval.high) == pytest.approx((verdict.low, verdict.high), abs=0.006)


def test_shares_that_nobody_voted_on_are_left_out() -> None:
    """The error is over galaxies with shares; told shares that are off by 0.1 and 0.2 have these as errors."""
    shares = np.array([[0.5, 0.5], [np.nan, np.nan], [0.25, 0.75]])
    found = difference_of_shares("shares", shares + 0.1, shares - 0.2, shares)
    assert (found.name, found.images) == ("shares", 2)
    assert (found.first, found.second, found.difference) == pytest.approx((0.1, 0.2, 0.1))
