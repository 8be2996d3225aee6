"""Make confidence mean something: temperature scaling (Guo et al. 2017), and what else could be done to logits."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Adjust = Callable[[Tensor, Tensor], Tensor]
"""What is done to logits: takes parameters (P,) and logits (N, classes), gives logits (N, classes)."""


def fit(adjust: Adjust, start: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """The parameters with the least negative log-likelihood, (P,).

    Args:
        adjust: what they do to logits.
        start: float (P,), where the search begins.
        logits: float (N, classes), of the validation split.
        labels: int64 (N,).
    """
    parameters = start.clone().requires_grad_(True)
    optimiser = torch.optim.LBFGS([parameters], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = F.cross_entropy(adjust(parameters, logits), labels)
        value.backward()
        return value

    optimiser.step(loss)
    return parameters.detach()


def warmed(log_temperature: Tensor, logits: Tensor) -> Tensor:
    """Logits over the temperature (Guo et al. 2017, section 4.2)."""
    return logits / log_temperature.exp()


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature with the least negative log-likelihood (Guo et al. 2017, section 4.2).

    Args:
        logits: float (N, classes), of the validation split.
        labels: int64 (N,).
    """
    log_temperature = fit(warmed, torch.zeros(1), logits, labels)
    # Where every image is right, the likelihood has no maximum: stay where probabilities still mean something.
    return float(log_temperature.exp().clamp(0.05, 20).item())
