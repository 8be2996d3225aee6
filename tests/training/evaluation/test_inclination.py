"""Figures of inclinations, by hand and against scipy."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from scipy.stats import spearmanr

from training.evaluation.figures import of_inclination
from training.evaluation.inclination import angle_figures, inclination_figures, inclination_of, quarter_figures

NAN = np.nan


def test_angles_are_measured() -> None:
    """Errors of 1, 2, 3 and 20 degrees, each with an uncertainty of 2: half are within it, three within 1.96 times of it."""
    true = np.array([0.0, 10.0, 50.0, 90.0])
    told = np.array([1.0, 12.0, 53.0, 70.0])
    found = angle_figures(told, np.full(4, 2.0), true)
    assert (found.images, found.median_error.value, found.bias.value) == (4, 2.5, -3.5)
    assert [one and one.value for one in (found.within_10, found.within_68, found.within_95)] == [0.75, 0.5, 0.75]
    assert found.median_error.low <= 2.5 <= found.median_error.high
    assert [one.images for one in found.bins] == [2, 0, 0, 1, 0, 1]
    assert found.bins[-1].median_error == 20 and found.bins[-1].within_68 == 0


def test_quarters_are_measured() -> None:
    """60 degrees are half way, 90 the whole: three of four are in the same quarter, and the correlation is Spearman's."""
    told, given = np.array([60.0, 90.0, 45.0, 10.0]), np.array([0.5, 0.75, 0.25, 0.0])
    found = quarter_figures(told, given)
    assert (found.same_quarter.value, found.within_a_quarter.value) == (0.75, 1.0)
    generator = np.random.default_rng(0)
    told = generator.uniform(0, 90, 200)
    given = np.clip(np.rint(4 * (1 - np.cos(np.radians(told + generator.normal(0, 15, 200))))) / 4, 0, 1)
    found = quarter_figures(told, given)
    assert found.correlation.value == pytest.approx(spearmanr(told, given).statistic, abs=1e-5)
    assert found.correlation.low < found.correlation.value < found.correlation.high


def test_each_galaxy_counts_where_it_can() -> None:
    """Known angles and quarters are measured apart; what was not told, and what is not known, counts nowhere."""
    told = np.array([10.0, NAN, 60.0, 60.0])
    targets = np.array([[12.0, NAN], [20.0, NAN], [NAN, 0.5], [NAN, NAN]])
    found = inclination_figures(told, None, targets)
    assert found.angles is not None and found.angles.images == 1 and found.angles.within_68 is None
    assert found.quarters is not None and found.quarters.images == 1
    assert inclination_figures(told[:1], None, targets[:1]).quarters is None


def test_figures_are_written_read_and_named() -> None:
    """What a report holds comes back equal, and its flat figures have their intervals."""
    told, targets = np.array([10.0, 60.0]), np.array([[12.0, NAN], [NAN, 0.5]])
    found = inclination_figures(told, np.array([3.0, 3.0]), targets)
    assert inclination_of(json.loads(json.dumps(asdict(found)))) == found
    flat = of_inclination(found)
    assert flat["inclination_median_error"] == 2 and flat["inclination_within_68_low"] == 1
    assert flat["inclination_quarters_same_quarter"] == 1
    assert of_inclination(None) == {}
