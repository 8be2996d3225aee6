"""Make confidence mean something: temperature scaling (Guo et al. 2017)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature with the least negative log-likelihood (Guo et al. 2017, section 4.2).

    Args:
        logits: float (N, classes), of the validation split.
        labels: int64 (N,).
    """
    log_temperature = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.LBFGS([log_temperature], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = F.cross_entropy(logits / log_temperature.exp(), labels)
        value.backward()
        return value

    optimiser.step(loss)
    # Where every image is right, the likelihood has no maximum: stay where probabilities still mean something.
    return float(log_temperature.exp().clamp(0.05, 20).item())
