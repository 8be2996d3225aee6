"""The five classes of ``clean5``, learned as the shares of five vote fractions: a galaxy's class is the largest of them.

Where a galaxy has all five, each of its shades teaches; where it has not, its label does.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.tasks import clean5
from training.tasks.base import Task


@dataclass(frozen=True)
class Shares(Task):
    """A classification whose classes have a vote fraction each.

    Attributes:
        columns: of the vote fractions, in the order of the classes.
    """

    columns: tuple[str, ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns of the classes' vote fractions."""
        return self.columns

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
        """The mean cross-entropy with labels and shares mixed, less the shares' own entropy; see :meth:`Task.loss`.

        Args:
            outputs: float (N, classes).
            labels: int64 (N,), -1 where a galaxy has no class.
            targets: float (N, classes), NaN where nobody was asked.
            label_smoothing: share of a label's weight that is spread over all classes.
            class_weights: float (classes,), of each class's galaxies.
            target_weight: of the shares against the label, where there are both; 1 and more are the shares alone.
        """
        count = len(self.classes)
        has_label, votes = labels >= 0, targets.nan_to_num(0.0)
        asked = votes.sum(dim=1, keepdim=True)
        has_shares = (
            (targets.isfinite().all(dim=1) & (asked[:, 0] > 0)) if target_weight else torch.zeros_like(has_label)
        )
        label = torch.nn.functional.one_hot(labels.clamp(min=0), count).to(outputs.dtype)
        label = label * (1 - label_smoothing) + label_smoothing / count
        share = torch.where(has_label, min(target_weight, 1.0), 1.0)[:, None] * has_shares[:, None]
        wanted = torch.lerp(label, votes / asked.clamp(min=1e-6), share) * (has_label | has_shares)[:, None]
        losses = -(wanted * outputs.log_softmax(dim=1)).sum(dim=1)
        if class_weights is not None:
            losses = losses * torch.where(has_label, class_weights[labels.clamp(min=0)], 1.0)
        return losses.sum() / len(outputs)


TASK = Shares(
    name="clean5_votes",
    label_column=clean5.TASK.label_column,
    files=clean5.TASK.files,
    classes=clean5.TASK.classes,
    shown=clean5.TASK.shown,
    crop=clean5.TASK.crop,
    radii=clean5.TASK.radii,
    columns=("Class7.1", "Class7.2", "Class7.3", "Class2.1", "Class4.1"),
)
