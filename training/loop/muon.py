"""Muon (Jordan 2024) for a model's hidden matrices, AdamW for all its other weights, as one optimiser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class MuonAndAdamW(torch.optim.Optimizer):
    """Two optimisers of torch's behind one interface.

    A step of Muon is scaled to the size of AdamW's (Liu et al. 2025, arXiv:2502.16982), so that both take the same learning
    rate. Muon takes matrices only; weights that are matrices but for sides of one element, such as those of 1x1
    convolutions, are given to it as views.

    Args:
        matrices: weights for Muon; two of each one's sides are longer than one element.
        groups: parameter groups for AdamW.
        learning_rate: of all.
        weight_decay: of the matrices.
    """

    def __init__(
        self, matrices: list[nn.Parameter], groups: list[dict[str, Any]], learning_rate: float, weight_decay: float
    ) -> None:
        super().__init__([{"params": matrices, "weight_decay": weight_decay}, *groups], {"lr": learning_rate})
        self._views = [nn.Parameter(matrix.detach().squeeze()) for matrix in matrices]
        self._muon = torch.optim.Muon(
            self._views, lr=learning_rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
        )
        self._adamw = torch.optim.AdamW(self.param_groups[1:], fused=True)

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update all parameters that have a gradient; ``closure`` is not supported."""
        if closure is not None:
            raise NotImplementedError("MuonAndAdamW takes no closure: compute the gradients before the step")
        matrices = self.param_groups[0]
        for view, matrix in zip(self._views, matrices["params"], strict=True):
            view.grad = None if matrix.grad is None else matrix.grad.squeeze()
        self._muon.param_groups[0]["lr"] = matrices["lr"]
        for inner, outer in zip(self._adamw.param_groups, self.param_groups[1:], strict=True):
            inner["lr"] = outer["lr"]
        self._muon.step()
        self._adamw.step()

    def state_dict(self) -> dict[str, Any]:
        """What both have gathered."""
        return {"muon": self._muon.state_dict(), "adamw": self._adamw.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self._muon.load_state_dict(state_dict["muon"])
        self._adamw.load_state_dict(state_dict["adamw"])


def split_hidden(weights: list[nn.Parameter], smallest: int = 32) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Hidden matrices, which are Muon's, and all other weights.

    A hidden matrix has two sides of at least ``smallest``, and is not the last, which gives the outputs.
    """
    hidden: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for weight in weights:
        sides = weight.squeeze().shape
        is_hidden = weight is not weights[-1] and len(sides) == 2 and min(sides) >= smallest
        (hidden if is_hidden else others).append(weight)
    return hidden, others
