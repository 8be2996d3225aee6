"""Locality guidance: beside a teacher's answers a student learns its feature maps.

A transformer must learn from few images that neighbouring pixels belong together; a convolutional network knows. So each stage's
map of the student, through a linear layer of its own, is drawn to the teacher's map of about the same side (Li et al. 2022,
"Locality Guidance for Improving Vision Transformers on Tiny Datasets", arXiv:2207.10026, section 3). Maps say something of every
place in an image, where answers say little of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.loop.distributed import Place

Maps = Sequence[Tensor]


class Guidance(nn.Module):
    """What is measured between a student's feature maps and a teacher's, with the layers that only this needs.

    Args:
        student: its maps of some images, each float (N, C, H, W), in the order of its stages.
        teacher: likewise of the same images, in the order of its own, the last one (N, C, 1, 1).
    """

    def __init__(self, student: Maps, teacher: Maps) -> None:
        super().__init__()
        self._place = [_like(one.shape[-1], [other.shape[-1] for other in teacher]) for one in student]
        pairs = [(one.shape[1], teacher[place].shape[1]) for one, place in zip(student, self._place, strict=True)]
        self.heads = nn.ModuleList(nn.Conv2d(own, theirs, 1) for own, theirs in pairs)
        for head in self.heads:  # at first they say nothing, and so do not disturb what the student knows already
            nn.init.zeros_(head.get_parameter("weight"))
            nn.init.zeros_(head.get_parameter("bias"))
        # Each channel of the teacher counts the same, however large its values are.
        self.scales = nn.ModuleList(
            nn.BatchNorm2d(theirs, affine=False, track_running_stats=False) for _, theirs in pairs
        )

    def forward(self, student: Maps, teacher: Maps) -> Tensor:
        """The mean squared difference of maps, in units of the teacher's variance, a scalar: 1 where nothing is known."""
        losses = []
        for own, place, head, scale in zip(student, self._place, self.heads, self.scales, strict=True):
            wanted = F.adaptive_avg_pool2d(scale(teacher[place].float()), (own.shape[-2], own.shape[-1]))
            losses.append(F.mse_loss(head(own).float(), wanted))
        return torch.stack(losses).mean()


def _like(side: int, sides: Sequence[int]) -> int:
    """Which of a teacher's sides is the smallest that is not below a student's; of equals the deepest."""
    fitting = [place for place, other in enumerate(sides) if other >= side]
    return min(fitting, key=lambda place: (sides[place], -place), default=0)


class Guide:
    """A guidance that learns: it, its optimiser, and what a checkpoint holds of both.

    Args:
        guidance: freshly made.
        place: which process and device this is.
        weight_decay: of its layers.
    """

    def __init__(self, guidance: Guidance, place: Place, weight_decay: float) -> None:
        self._guidance = guidance.to(place.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network = place.wrap(self._guidance)
        self._optimiser = torch.optim.AdamW(self._guidance.parameters(), weight_decay=weight_decay)

    def loss(self, student: Maps, teacher: Maps) -> Tensor:
        """As :class:`Guidance` measures it."""
        loss: Tensor = self._network(student, teacher)
        return loss

    def zero_grad(self) -> None:
        """Forget the gradients of the step before."""
        self._optimiser.zero_grad(set_to_none=True)

    def step(self, scaler: torch.amp.GradScaler, learning_rate: float) -> None:
        """Learn from the gradients of a step."""
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate
        scaler.step(self._optimiser)

    def state(self) -> dict[str, Any]:
        """All that :meth:`load` needs."""
        return {"guidance": self._guidance.state_dict(), "optimiser": self._optimiser.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from where a state was taken."""
        self._guidance.load_state_dict(state["guidance"])
        self._optimiser.load_state_dict(state["optimiser"])
