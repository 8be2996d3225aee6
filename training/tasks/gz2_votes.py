"""The Galaxy Zoo Challenge: 37 vote fractions of Galaxy Zoo 2's decision tree, scored by their root mean square error.

Fractions are cumulative, as in the Challenge; the artifact gives them conditional, of those who are asked, as all artifacts do.
Galaxies of which every fraction is known are judged; those with some of them are learned from, too. There are no classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor, nn

from cosmoformer.models.outputs import Fractions, Value
from cosmoformer.votes.tree import GZ2, Tree
from training.artifact.classifier import Classifier, IndependentVotes
from training.tasks import clean5
from training.tasks.base import Task, chosen
from training.tasks.vote_heads import HEADS
from training.tasks.vote_losses import LOSSES


@dataclass(frozen=True)
class VoteFractions(Task):
    """Vote fractions of a decision tree, and nothing else.

    Attributes:
        head: what makes fractions of a model's outputs, of :data:`training.tasks.vote_heads.HEADS`.
        measure: what is made small, of :data:`training.tasks.vote_losses.LOSSES`.
    """

    head: str = "sigmoid"
    measure: str = "mse"

    @property
    def _tree(self) -> Tree:
        assert self.tree is not None
        return self.tree

    @property
    def outputs(self) -> int:
        """One number for each answer."""
        return len(self.answers)

    @property
    def predicted(self) -> tuple[str, ...]:
        """The answers' names."""
        return self._tree.labels

    @property
    def fractions(self) -> Fractions:
        """All answers."""
        return Fractions(self._tree.name, self._tree.labels)

    @property
    def values(self) -> tuple[Value, ...]:
        """None: fractions are a group of their own."""
        return ()

    def learning(self, head: str, loss: str) -> VoteFractions:
        """The task with this head and this loss; see :meth:`Task.learning`."""
        head = chosen("head", head or self.head, HEADS)
        return replace(self, head=head, measure=chosen("loss", loss or self.measure, LOSSES))

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
        """The chosen loss of a batch; labels, and what is about classes, have no say."""
        return LOSSES[self.measure](self.predictions(outputs), targets, [len(question) for question in self.questions])

    def predictions(self, outputs: Tensor, temperature: float = 1.0) -> Tensor:
        """Cumulative fractions (N, answers) of outputs (N, answers), as the head gives them."""
        return HEADS[self.head](self._tree, outputs.float())

    def judged(self, table: pd.DataFrame) -> pd.Series[bool]:
        """Rows with every fraction."""
        return table[list(self.targets)].notna().all(axis=1)

    def judge(
        self, predictions: NDArray[np.float64], labels: NDArray[np.int64], targets: NDArray[np.float32]
    ) -> dict[str, float]:
        """The root mean square error of cumulative fractions, as the head gives them; less is a better score."""
        square = float(((predictions - targets) ** 2).mean())
        return {"score": -(square**0.5), "loss": square, "rmse": square**0.5}

    def calibrate(self, outputs: Tensor, labels: Tensor, targets: Tensor) -> float:
        """1: there are no classes."""
        return 1.0

    def artifact_module(self, core: nn.Module, input_size: int, temperature: float) -> nn.Module:
        """Pixels in, conditional fractions out, question by question."""
        kind = IndependentVotes if self.head == "sigmoid" else Classifier
        answers = [len(question) for question in self.questions]
        also = {"features": self.features, "views": self.views}
        return kind(core, input_size, self.crop, temperature, 0, answers, **also)


TASK = VoteFractions(
    name="gz2_votes",
    label_column="",
    files=clean5.TASK.files,
    classes=(),
    shown=clean5.TASK.shown,
    crop=clean5.TASK.crop,
    radii=clean5.TASK.radii,
    questions=clean5.TASK.questions,
    tree=GZ2,
)
