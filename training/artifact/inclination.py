"""What an artifact of inclinations ends in: a normal distribution cut off at 0 and 90 degrees, its mean and its spread.

The distribution stands on a grid of angles, which needs no tails of the error function: sums and their slopes stay finite however
far beyond an end its centre is.
"""

# No postponed annotations here: TorchScript reads the types of what is called.
import torch
from torch import Tensor

from training.artifact.classifier import Classifier


def grid(device: torch.device) -> Tensor:
    """The angles that stand for all, degrees: the middles of equal steps from 0 to 90."""
    step = 90.0 / 180
    return torch.arange(180, device=device, dtype=torch.float32) * step + step / 2


def distribution(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Centre and width in degrees, each (N,), that a model's outputs (N, 2) stand for.

    The centre is between -45 and 135, far enough beyond the ends to say "face-on" or "edge-on" with any width. Outputs count in
    eighths: a fresh last layer on a trained backbone gives numbers of about ten, which would begin where both functions are flat.
    """
    centre = 45.0 + 90.0 * torch.tanh(outputs[:, 0] / 8)
    return centre, 1.0 + 10.0 * torch.nn.functional.softplus(outputs[:, 1] / 8)


def log_shares(centre: Tensor, width: Tensor) -> Tensor:
    """Logarithm of each grid angle's share, (N, steps); shares sum to 1."""
    off = (grid(centre.device) - centre[:, None]) / width[:, None]
    return torch.log_softmax(-0.5 * off * off, dim=1)


def mean_and_spread(outputs: Tensor, scale: float) -> Tensor:
    """Mean and standard deviation, degrees, (N, 2) of a model's outputs (N, 2); the latter is multiplied by ``scale``."""
    centre, width = distribution(outputs)
    shares = log_shares(centre, width).exp()
    degrees = grid(outputs.device)
    mean = (shares * degrees).sum(dim=1)
    variance = (shares * (degrees - mean[:, None]) ** 2).sum(dim=1)
    return torch.stack([mean, scale * variance.sqrt()], dim=1)


class Inclined(Classifier):
    """A :class:`~training.artifact.classifier.Classifier` whose model has two outputs; it gives an angle and its uncertainty.

    The temperature is what the uncertainty is multiplied by.
    """

    def told(self, logits: Tensor) -> Tensor:
        """Angle and uncertainty in degrees, (N, 2)."""
        return mean_and_spread(logits, self.temperature)
