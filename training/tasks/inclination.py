"""The inclination of a galaxy's disc: degrees, 0 face-on to 90 edge-on, with an uncertainty.

A model gives a normal distribution cut off at 0 and 90 (:class:`training.artifact.inclination.Inclined`), and is trained by its
likelihood. Near the ends an angle is uncertain to one side only, which the distribution of an unbounded number cannot say; one
that is squeezed into the range by a sigmoid can, but gives the ends themselves, where many galaxies are, no chance. The centre
may lie beyond an end; what is told is the mean of what is left, and its standard deviation.

Two columns teach, either of them or both: ``inclination`` in degrees, as rendered galaxies have it, and EFIGI's
``efigi_inclination``, which people gave in quarters from 0 (face-on) to 1 (edge-on) (Baillard et al. 2011). Quarters are read as
1 − cos i, the share of a thin disc's apparent width that is lost, to the nearest quarter: an interval of angles, whose
probability is the likelihood. Random directions would fill such quarters 1 : 2 : 2 : 2 : 1, about as EFIGI's are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cosmoformer.models.outputs import Value
from training.artifact.inclination import Inclined, distribution, grid, log_shares, mean_and_spread
from training.tasks.base import Task

INCLINATION = Value("inclination", "deg", 0.0, 90.0)
#: Half of the interval around it that holds the truth in 68 % of cases.
ERROR = Value("inclination_error", "deg", 0.0)
DEGREES, QUARTERS = "inclination", "efigi_inclination"
#: Share of a normal distribution within one standard deviation of its mean.
WITHIN_ONE = 0.6827
_QUARTER = 0.25
_SCALES = np.geomspace(0.25, 4.0, 81)


def shortening(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 − cos i: 0 face-on, 1 edge-on, as EFIGI's attribute is read."""
    return np.asarray(1 - np.cos(np.radians(degrees)))


def bounds(targets: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the most degrees that a galaxy's labels allow, each (N,); equal where they are known.

    Args:
        targets: float (N, 2): degrees, quarters; NaN where unknown. Where there are both, degrees count.
    """
    degrees, quarters = targets.double().unbind(dim=1)
    low, high = (
        torch.rad2deg(torch.acos((1 - quarters - side * _QUARTER / 2).clamp(0.0, 1.0))) for side in (-1.0, 1.0)
    )
    known = degrees.isfinite()
    return torch.where(known, degrees, low), torch.where(known, degrees, high)


@dataclass(frozen=True)
class Inclination(Task):
    """The angle of a disc, and how sure it is."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Columns of degrees and of EFIGI's quarters."""
        return (DEGREES, QUARTERS)

    @property
    def outputs(self) -> int:
        """Two numbers, of which centre and width of the distribution are made."""
        return 2

    @property
    def predicted(self) -> tuple[str, ...]:
        """Names of the angle and of its uncertainty."""
        return (INCLINATION.name, ERROR.name)

    @property
    def values(self) -> tuple[Value, ...]:
        """Both, in degrees."""
        return (INCLINATION, ERROR)

    def loss(
        self,
        outputs: Tensor,
        labels: Tensor,
        targets: Tensor,
        *,
        label_smoothing: float = 0.0,
        class_weights: Tensor | None = None,
        target_weight: float = 0.0,
    ) -> Tensor:
        """The mean negative log-likelihood: of a degree where angles are known, of the whole interval where quarters are.

        Labels, and what is about classes, have no say.
        """
        return -_log_likelihood(outputs, targets).mean()

    def predictions(self, outputs: Tensor, temperature: float = 1.0) -> Tensor:
        """Angle and uncertainty, degrees, (N, 2) of outputs (N, 2); the uncertainty is multiplied by ``temperature``."""
        return mean_and_spread(outputs.float(), temperature)

    def judged(self, table: pd.DataFrame) -> pd.Series[bool]:
        """Rows with either target."""
        return table[list(self.targets)].notna().any(axis=1)

    def judge(
        self, predictions: NDArray[np.float64], labels: NDArray[np.int64], targets: NDArray[np.float32]
    ) -> dict[str, float]:
        """The mean distance of angles from what labels allow, degrees; less is a better score."""
        low, high = (side.numpy() for side in bounds(torch.from_numpy(targets)))
        angle = predictions[:, 0]
        off = np.maximum(np.maximum(low - angle, angle - high), 0.0)
        return {"score": -float(off.mean()), "mean_error": float(off.mean())}

    def calibrate(self, outputs: Tensor, labels: Tensor, targets: Tensor) -> float:
        """What the uncertainty is multiplied by, so that 68 % of the validation split's angles are within it.

        The likelihood would ask what makes all errors likely, the few large ones above all; here the share itself is asked for
        (split conformal prediction: Lei et al. 2018, section 2.2). Where only quarters are known, the likelihood must do.
        """
        known = targets[:, 0].isfinite()
        if bool(known.any()):
            told = self.predictions(outputs[known]).double()
            off = (told[:, 0] - targets[known, 0]).abs() / told[:, 1]
            return float(off.quantile(WITHIN_ONE))
        told = self.predictions(outputs).double()
        low, high = bounds(targets)
        normal = torch.distributions.Normal(0.0, 1.0)

        def likelihood(scale: float) -> float:
            width = scale * told[:, 1]
            low_end, high_end = ((end - told[:, 0]) / width for end in (low, high))
            return float((normal.cdf(high_end) - normal.cdf(low_end)).clamp(min=1e-9).log().mean())

        return float(max(_SCALES, key=likelihood))

    def artifact_module(self, core: nn.Module, input_size: int, temperature: float) -> nn.Module:
        """Pixels in, angle and uncertainty out."""
        return Inclined(core, input_size, self.crop, temperature, 0, features=self.features, views=self.views)


def _log_likelihood(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of each galaxy's labels, (N,): of a density per degree, or of an interval's probability."""
    low, high = (side.float() for side in bounds(targets))
    centre, width = distribution(outputs.float())
    shares = log_shares(centre, width)
    degrees = grid(outputs.device)
    step = degrees[1] - degrees[0]
    is_angle = low == high
    allowed = is_angle[:, None] | ((degrees >= low[:, None]) & (degrees <= high[:, None]))
    interval = torch.where(allowed, shares, -torch.inf).logsumexp(dim=1)
    # The same normalisation, at the angle itself instead of the nearest of the grid's.
    nearest = shares + 0.5 * ((degrees - centre[:, None]) / width[:, None]) ** 2
    density = nearest[:, 0] - 0.5 * ((low - centre) / width) ** 2 - step.log()
    return torch.where(is_angle, density, interval)


TASK = Inclination(name="inclination", label_column="", classes=(), files="inclination*.parquet efigi-*.parquet")
