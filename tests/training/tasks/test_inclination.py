"""The task of inclinations: its distribution against scipy's, what labels allow, and what the uncertainty is fitted to."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import truncnorm

from training.artifact.inclination import distribution, mean_and_spread
from training.tasks import TASKS
from training.tasks.inclination import bounds, shortening

TASK = TASKS["inclination"]
NAN = math.nan
OUTPUTS = torch.tensor([[0.0, 0.0], [-8.0, 3.0], [12.0, 0.0], [3.0, 9.0], [-3.0, -9.0]])


def scipys(outputs: torch.Tensor) -> list[object]:
    """The same distributions, as scipy has them."""
    centre, width = (numbers.double().numpy() for numbers in distribution(outputs))
    return [truncnorm((0 - c) / w, (90 - c) / w, c, w) for c, w in zip(centre, width, strict=True)]


def test_mean_and_spread_are_those_of_a_truncated_normal() -> None:
    """Of distributions in the middle, beyond an end, narrow and wide; the uncertainty is multiplied by the temperature."""
    found = mean_and_spread(OUTPUTS, 1.0).double().numpy()
    expected = [[one.mean(), one.std()] for one in scipys(OUTPUTS)]  # type: ignore[attr-defined]
    assert found == pytest.approx(np.array(expected), abs=0.05)
    assert mean_and_spread(OUTPUTS, 2.0)[:, 1].tolist() == pytest.approx((2 * found[:, 1]).tolist(), rel=1e-5)
    assert ((found[:, 0] >= 0) & (found[:, 0] <= 90)).all()


@pytest.mark.parametrize("angle", [0.0, 3.3, 45.0, 88.0, 90.0])
def test_the_loss_of_an_angle_is_its_density(angle: float) -> None:
    """The negative logarithm of the truncated normal's density per degree, at the ends as well."""
    for row, one in zip(OUTPUTS, scipys(OUTPUTS), strict=True):
        density = one.logpdf(angle)  # type: ignore[attr-defined]
        loss = TASK.loss(row[None], torch.tensor([-1]), torch.tensor([[angle, NAN]]))
        assert float(loss) == pytest.approx(-density, rel=2e-3, abs=0.02)


@pytest.mark.parametrize("quarter", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_the_loss_of_a_quarter_is_the_probability_of_its_interval(quarter: float) -> None:
    """All angles whose 1 - cos i is nearest to the quarter, together."""
    low, high = (float(side) for side in bounds(torch.tensor([[NAN, quarter]])))
    for row, one in zip(OUTPUTS[[0, 3]], scipys(OUTPUTS[[0, 3]]), strict=True):
        probability = one.cdf(high) - one.cdf(low)  # type: ignore[attr-defined]
        loss = TASK.loss(row[None], torch.tensor([-1]), torch.tensor([[NAN, quarter]]))
        assert float(torch.exp(-loss)) == pytest.approx(probability, abs=0.02)


def test_labels_allow_an_interval_of_angles() -> None:
    """Known degrees allow themselves and count before quarters; quarters meet where the nearest one changes."""
    low, high = bounds(torch.tensor([[30.0, 1.0], [NAN, 0.0], [NAN, 0.25], [NAN, 1.0]]))
    assert low.tolist() == pytest.approx([30, 0, 28.96, 82.82], abs=0.01)
    assert high.tolist() == pytest.approx([30, 28.96, 51.32, 90], abs=0.01)
    assert shortening(np.array([0.0, 60.0, 90.0])) == pytest.approx([0, 0.5, 1])


def test_the_slope_is_finite_for_any_output() -> None:
    """Also where a model is far off and sure, with angles and quarters in one batch."""
    outputs = (100 * torch.randn(64, 2, generator=torch.Generator().manual_seed(0))).requires_grad_()
    targets = torch.tensor([[0.0, NAN], [90.0, NAN], [NAN, 0.0], [NAN, 1.0]]).repeat(16, 1)
    loss = TASK.loss(outputs, torch.full((64,), -1), targets)
    loss.backward()
    assert loss.isfinite() and outputs.grad is not None and outputs.grad.isfinite().all()


def test_the_uncertainty_is_fitted_to_hold_68_per_cent() -> None:
    """Of the angles of the split that it is fitted on; a model that is twice too sure gets twice the uncertainty."""
    generator = np.random.default_rng(0)
    outputs = torch.zeros(4000, 2)
    mean, spread = mean_and_spread(outputs[:1], 1.0)[0].tolist()
    angles = np.clip(mean + generator.normal(0, 2 * spread / 4, 4000), 0, 90)
    targets = torch.from_numpy(np.stack([angles, np.full(4000, NAN)], axis=1).astype(np.float32))
    scale = TASK.calibrate(outputs, torch.full((4000,), -1), targets)
    assert scale == pytest.approx(0.5, rel=0.05)
    told = TASK.predictions(outputs, scale).numpy()
    assert (np.abs(told[:, 0] - angles) <= told[:, 1]).mean() == pytest.approx(0.6827, abs=0.001)


def test_quarters_alone_can_fit_the_uncertainty() -> None:
    """Where no angle is known, a model that is right has a factor near 1, one that is much too sure a larger one."""
    generator = np.random.default_rng(1)
    centres = torch.from_numpy(generator.uniform(-4, 4, 3000).astype(np.float32))
    outputs = torch.stack([centres, torch.full((3000,), -6.0)], dim=1)
    mean, spread = mean_and_spread(outputs, 1.0).double().numpy().T
    factors = []
    for times in (1, 3):
        angles = np.clip(mean + times * spread * generator.normal(0, 1, 3000), 0, 90)
        quarters = np.rint(4 * shortening(angles)) / 4
        targets = torch.from_numpy(np.stack([np.full(3000, NAN), quarters], axis=1).astype(np.float32))
        factors.append(TASK.calibrate(outputs, torch.full((3000,), -1), targets))
    assert factors[0] == pytest.approx(1, abs=0.25) and factors[1] == pytest.approx(3, abs=0.8)


def test_epochs_are_judged_by_the_distance_from_what_labels_allow() -> None:
    """Four degrees off one angle, within one quarter: two degrees on average, and less is better."""
    found = TASK.judge(
        np.array([[34.0, 1], [40.0, 1]]), np.array([-1, -1]), np.array([[30, NAN], [NAN, 0.25]], np.float32)
    )
    assert found == {"score": -2.0, "mean_error": 2.0}


def test_both_kinds_of_files_are_read() -> None:
    """Rendered catalogues and EFIGI's files carry the labels; other files in the folder do not."""
    assert TASK.files.split() == ["inclination*.parquet", "efigi-*.parquet"]
