"""How far predicted vote fractions are from those of volunteers: the losses of a task that learns fractions, by name.

A loss takes predicted and volunteers' cumulative fractions (N, answers), the latter NaN where they are not known, and how many
answers each question has. It gives a scalar: a mean over what is known, 0 where nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor, Sequence[int]], Tensor]
_TINY = 1e-12  # the slope of a square root at 0 has no end


def mean_square(predicted: Tensor, voted: Tensor, questions: Sequence[int]) -> Tensor:
    """Mean square error over all answers (Ng 2024)."""
    known = voted.isfinite()
    squares = (predicted - voted.where(known, predicted)) ** 2
    return squares.sum() / known.sum().clamp(min=1)


def root_mean_square(predicted: Tensor, voted: Tensor, questions: Sequence[int]) -> Tensor:
    """Its root, which is what the Galaxy Zoo Challenge scored, here of one batch ("Galaxy Imagery Classification", rmse_loss)."""
    return (mean_square(predicted, voted, questions) + _TINY).sqrt()


def hierarchical(predicted: Tensor, voted: Tensor, questions: Sequence[int]) -> Tensor:
    """Question by question: the sum over questions of the mean cross-entropy of its answers, each an answer of yes or no.

    So a question with two answers counts as one with seven ("Galaxy Imagery Classification", hierarchical_loss).
    """
    total = predicted.new_zeros(())
    for guessed, given in zip(
        predicted.split(list(questions), dim=1), voted.split(list(questions), dim=1), strict=True
    ):
        known = given.isfinite()
        wanted = given.where(known, guessed.detach()).clamp(0.0, 1.0)
        entropy = F.binary_cross_entropy(guessed.clamp(0.0, 1.0), wanted, reduction="none")
        total = total + torch.where(known, entropy, 0.0).sum() / known.sum().clamp(min=1)
    return total


LOSSES: dict[str, Loss] = {"mse": mean_square, "rmse": root_mean_square, "hierarchical": hierarchical}
