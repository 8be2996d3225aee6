"""Calibrations compared on galaxies whose true probabilities are known, and the calibration error that chance alone makes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from training.evaluation import metrics
from training.evaluation.calibrations import CALIBRATIONS, TEMPERATURE, compare, floor

BIASES = torch.tensor([1.0, 0.0, -1.0])


def drawn(true: Tensor) -> Tensor:
    """Labels (N,) drawn from logits (N, classes)."""
    return torch.multinomial(true.softmax(1), 1, generator=torch.Generator().manual_seed(1)).squeeze(1)


def logits() -> Tensor:
    """Logits (3000, 3)."""
    return 3 * torch.randn(3000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_biases_win_where_there_are_biases() -> None:
    """Where one class is told too seldom, biases for each class lose less than a temperature alone, and get more right."""
    given = logits()
    temperature, biased, *_ = compare(given, drawn(given / 2 + BIASES), repeats=1)
    assert (temperature.name, temperature.difference) == (TEMPERATURE, 0)
    assert biased.interval.high < 0
    assert biased.accuracy > temperature.accuracy


def test_nothing_beats_a_temperature_where_a_temperature_is_all() -> None:
    """More parameters fit their own galaxies better, and others no better."""
    given = logits()
    found = compare(given, drawn(given / 2), repeats=1)
    assert [one.name for one in found] == [kind.name for kind in CALIBRATIONS]
    assert [one.parameters for one in found] == [1, 4, 6, 3, 2]
    assert all(one.interval.high > 0 for one in found[1:])


def test_parameters_of_zero_change_nothing() -> None:
    """The search of every calibration begins where the logits stay as they are."""
    given = logits()
    for kind in CALIBRATIONS:
        start = torch.zeros(kind.parameters(3), dtype=given.dtype)
        assert torch.allclose(kind.adjust(start, given).softmax(1), given.softmax(1)), kind.name


def test_the_floor_is_that_of_a_binomial() -> None:
    """Where all are told with 90 %, the mean error is the mean absolute deviation of a share, √(2 p (1 − p) / π N)."""
    told = np.tile([0.9, 0.1], (1000, 1))
    found = floor(told, np.zeros(1000, np.int64), draws=4000)
    assert found.mean == pytest.approx(math.sqrt(2 * 0.09 / (math.pi * 1000)), rel=0.03)
    assert found.measured == pytest.approx(0.1, abs=1e-5)
    assert found.as_high == 0


def test_true_probabilities_are_within_the_floor() -> None:
    """Classes that are drawn from the probabilities have an error like that of other draws; from others, one above all."""
    given = logits()
    told, labels = given.softmax(1).numpy(), drawn(given).numpy()
    found = floor(told, labels, draws=300)
    assert found.interval.low < found.mean < found.interval.high
    assert found.measured == pytest.approx(metrics.calibration_error(told, labels), abs=1e-5)
    assert 0.01 < found.as_high < 0.99
    assert floor((2 * given).softmax(1).numpy(), labels, draws=300).as_high == 0
