"""Figures of merit, against scikit-learn, cases made by hand, and what they claim of themselves."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, log_loss, precision_recall_fscore_support
from sklearn.metrics import confusion_matrix as sklearn_confusion_matrix

from training.evaluation import metrics


def sample(count: int, classes: int = 4, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities that are calibrated by construction, and labels drawn from them."""
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.full(classes, 0.4), count)
    labels = np.array([generator.choice(classes, p=row) for row in probabilities], dtype=np.int64)
    return probabilities, labels


def test_figures_are_those_of_scikit_learn() -> None:
    """Confusion, accuracy, precision, recall, F1, likelihood and Brier score equal scikit-learn's."""
    probabilities, labels = sample(500)
    predicted = probabilities.argmax(1)
    confusion = metrics.confusion_matrix(probabilities, labels)
    assert np.array_equal(confusion, sklearn_confusion_matrix(labels, predicted))
    assert float(metrics.accuracy(confusion)) == pytest.approx((predicted == labels).mean())
    precision, recall, f1, _ = precision_recall_fscore_support(labels, predicted)
    scores = metrics.class_scores(confusion)
    assert np.allclose([scores.precision, scores.recall, scores.f1], [precision, recall, f1])
    assert metrics.negative_log_likelihood(probabilities, labels) == pytest.approx(log_loss(labels, probabilities))
    expected = brier_score_loss(labels, probabilities, labels=range(4), scale_by_half=False)
    assert metrics.brier_score(probabilities, labels) == pytest.approx(expected)


def test_a_class_without_galaxies_or_predictions_scores_zero() -> None:
    """Where a denominator is zero the figure is 0, as with scikit-learn's zero_division=0."""
    probabilities = np.array([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0]])
    scores = metrics.class_scores(metrics.confusion_matrix(probabilities, np.array([0, 1])))
    assert scores.precision.tolist() == [0.5, 0.0, 0.0]
    assert scores.recall.tolist() == [1.0, 0.0, 0.0]
    assert scores.f1 == pytest.approx([2 / 3, 0, 0])


def test_calibration_error_by_hand() -> None:
    """The gaps of three bins, weighted by their galaxies, give the expected calibration error."""
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    labels = np.array([0, 1, 1, 0])
    assert metrics.calibration_error(probabilities, labels) == pytest.approx((0.8 + 0.2 + 0.4) / 4)
    filled = [one for one in metrics.reliability(probabilities, labels) if one.images]
    assert [(one.images, one.accuracy) for one in filled] == [(1, 1.0), (1, 1.0), (2, 0.5)]
    assert [one.confidence for one in filled] == pytest.approx([0.6, 0.8, 0.9])


def test_a_confidence_on_an_edge_is_in_the_bin_below() -> None:
    """Bins are (low, high], so that a confidence of 1 is in the last and one of 0.5 in the first of two."""
    probabilities = np.array([[1.0, 0.0], [0.5, 0.5]])
    assert [one.images for one in metrics.reliability(probabilities, np.array([0, 0]), bins=2)] == [1, 1]


def test_calibrated_probabilities_have_a_small_error() -> None:
    """Labels drawn from the probabilities themselves leave an error near zero; sharpened ones do not."""
    probabilities, labels = sample(20_000)
    assert metrics.calibration_error(probabilities, labels) < 0.015
    sharpened = metrics.undo_temperature(probabilities, 3.0)
    assert metrics.calibration_error(sharpened, labels) > 0.05


def test_temperature_is_undone() -> None:
    """The probabilities of scaled logits give back those of the logits, also where one underflowed to zero."""
    logits = np.random.default_rng(0).normal(0, 2, (50, 5))
    logits[0] = [0, 0, -200, 0, 0]
    scaled = softmax(logits / 0.7).astype(np.float32).astype(np.float64)
    assert metrics.undo_temperature(scaled, 0.7) == pytest.approx(softmax(logits), abs=1e-6)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    raised: NDArray[np.float64] = np.exp(logits)
    return raised / raised.sum(axis=1, keepdims=True)


def test_intervals_are_those_of_resampled_galaxies() -> None:
    """Drawing confusion matrices gives the intervals that drawing galaxies one by one gives."""
    probabilities, labels = sample(400)
    found = metrics.bootstrap_intervals(metrics.confusion_matrix(probabilities, labels))
    generator = np.random.default_rng(1)
    accuracies, macros = [], []
    for _ in range(3000):
        rows = generator.integers(0, len(labels), len(labels))
        confusion = metrics.confusion_matrix(probabilities[rows], labels[rows])
        accuracies.append(float(metrics.accuracy(confusion)))
        macros.append(metrics.class_scores(confusion).f1.mean())
    assert (found.accuracy.low, found.accuracy.high) == pytest.approx(np.percentile(accuracies, (2.5, 97.5)), abs=0.005)
    assert (found.macro_f1.low, found.macro_f1.high) == pytest.approx(np.percentile(macros, (2.5, 97.5)), abs=0.005)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """Of 400 samples of a known population, about 95 % have its accuracy and macro F1 within their intervals."""
    shares = np.array([[0.40, 0.05, 0.01], [0.06, 0.25, 0.03], [0.02, 0.04, 0.14]])
    population = (10_000 * shares).astype(np.int64)
    truth = float(metrics.accuracy(population)), metrics.class_scores(population).f1.mean()
    generator = np.random.default_rng(2)
    covered = np.zeros(2)
    for _ in range(400):
        confusion = generator.multinomial(500, shares.ravel()).reshape(3, 3)
        found = metrics.bootstrap_intervals(confusion, resamples=1000)
        intervals = (found.accuracy, found.macro_f1)
        covered += [one.low <= value <= one.high for one, value in zip(intervals, truth, strict=True)]
    assert covered / 400 == pytest.approx([0.95, 0.95], abs=0.03)


def test_intervals_are_the_same_each_time() -> None:
    """The draws have a fixed seed; another seed gives other ones."""
    confusion = metrics.confusion_matrix(*sample(300))
    assert metrics.bootstrap_intervals(confusion) == metrics.bootstrap_intervals(confusion)
    assert metrics.bootstrap_intervals(confusion) != metrics.bootstrap_intervals(confusion, seed=1)


def test_the_interval_of_an_error_is_that_of_its_mean_square() -> None:
    """Its ends are near those of a normal distribution of the mean, and the same seed gives the same ends."""
    squares = np.random.default_rng(0).exponential(0.01, 2000)
    found = metrics.bootstrap_root_mean(squares)
    half = 1.96 * squares.std() / np.sqrt(len(squares))
    assert (found.low, found.high) == pytest.approx(np.sqrt([squares.mean() - half, squares.mean() + half]), rel=0.01)
    assert metrics.bootstrap_root_mean(squares, resamples=501) == metrics.bootstrap_root_mean(squares, resamples=501)
