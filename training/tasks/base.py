"""What a task is: which column labels it, what a model's outputs mean, and how they are judged.

A new task is one new module in this package with a constant ``TASK``. Most are a :class:`Task` with other values; a task
that is no classification (vote fractions, an angle) overrides what follows ``outputs`` and brings the module that its artifact
ends in.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from cosmoformer.models.outputs import DOMAIN, Fractions, Value
from cosmoformer.votes.fractions import cumulative_columns
from cosmoformer.votes.tree import Tree
from training.artifact.calibration import fit_temperature
from training.artifact.classifier import Classifier

#: Side of the images that Galaxy Zoo 2 showed, in Petrosian radii (R90 in r): 424 pixels of 0.02 radii (Willett et al. 2013).
GZ2_RADII = 424 * 0.02


@dataclass(frozen=True)
class Task:
    """A classification, perhaps with votes of people as a second thing to learn from.

    Attributes:
        name: identifier, also written into the artifact.
        label_column: column of the catalogue's files that holds the class name; empty for a task without classes.
        classes: class names in the order of the model's outputs; empty where the catalogue decides.
        shown: central fraction of an original image's side that the catalogue's images show.
        crop: central fraction of an original image's side that the model looks at; a recipe may narrow it.
        radii: side of an original image, in Petrosian radii (R90) of its galaxy; 0 where images are not framed so.
        files: patterns of the parquet files that carry the labels, separated by spaces.
        numbers: data set of an HDF5 file that holds each galaxy's class by its place in ``classes``; empty for a task that has no
            such file.
        questions: columns of vote fractions, grouped by the question they answer. Fractions are cumulative down a decision
            tree (the answers of a question sum to the fraction of people who reached it), as the Galaxy Zoo Challenge has them.
        tree: the decision tree that the questions are of, whose Challenge columns they are; None where they are of none.
        tells_votes: whether the artifact gives the fractions too, not the classes alone.
        tells_domain: whether it gives :data:`cosmoformer.models.outputs.DOMAIN`, which is learned last (``training/heads``).
        features: length of the feature vector that the artifact gives (``training/artifact/features.py``); 0 for none.
        views: turned and mirrored views of an image whose mean the artifact gives; 1 is the image as it is.
    """

    name: str
    label_column: str
    classes: tuple[str, ...]
    shown: float = 1.0
    crop: float = 1.0
    radii: float = 0.0
    files: str = "*.parquet"
    numbers: str = ""
    questions: tuple[tuple[str, ...], ...] = ()
    tree: Tree | None = None
    tells_votes: bool = False
    tells_domain: bool = False
    features: int = 0
    views: int = 1

    @property
    def answers(self) -> tuple[str, ...]:
        """All answers of all questions, in the order of the outputs behind the classes'."""
        return tuple(column for question in self.questions for column in question)

    @property
    def targets(self) -> tuple[str, ...]:
        """Columns of the catalogue that are learned beside the label."""
        return self.answers

    @property
    def kept(self) -> float:
        """Central fraction of a catalogue image's side that the model looks at; all, where the image shows no more than that."""
        return min(self.crop / self.shown, 1.0)

    @property
    def outputs(self) -> int:
        """How many numbers the model is trained to give for an image: class logits first, then those of the answers."""
        return len(self.classes) + len(self.answers)

    @property
    def scores(self) -> tuple[Value, ...]:
        """Values from 0 to 1 that the artifact gives beside: their logits stand behind what the model was trained to give."""
        return (DOMAIN,) if self.tells_domain else ()

    @property
    def predicted(self) -> tuple[str, ...]:
        """Names of the predictions, in order; they travel with the artifact."""
        return self.classes

    @property
    def is_classification(self) -> bool:
        """Whether the predictions are class probabilities, not other values."""
        return self.predicted == self.classes

    @property
    def fractions(self) -> Fractions | None:
        """The group of vote fractions that the artifact gives, if it gives any."""
        if not (self.tells_votes and self.tree):
            return None
        labels = dict(zip(self.tree.challenge_columns, self.tree.labels, strict=True))
        return Fractions(self.tree.name, tuple(labels[column] for column in self.targets))

    @property
    def values(self) -> tuple[Value, ...]:
        """The group of values that the artifact gives: the predictions of a task that is no classification, and the scores."""
        return (*(() if self.is_classification else map(Value, self.predicted)), *self.scores)

    def files_in(self, folder: Path) -> list[Path]:
        """The parquet files in a folder that carry the labels, by name."""
        return sorted(path for pattern in self.files.split() for path in folder.glob(pattern))

    def telling_votes(self) -> Task:
        """The task with the vote fractions in its artifact, if it has a tree."""
        return replace(self, tells_votes=self.tree is not None)

    def telling_domain(self) -> Task:
        """The task with the score of what is no galaxy in its artifact."""
        return replace(self, tells_domain=True)

    def giving_features(self, length: int) -> Task:
        """The task whose artifact gives feature vectors of this length."""
        return replace(self, features=length)

    def looking_at(self, crop: float) -> Task:
        """The task with this ``crop``; 0 leaves it as it is."""
        return replace(self, crop=crop or self.crop)

    def learning(self, head: str, loss: str) -> Task:
        """The task with another head or loss, where it has several; an empty name is its own.

        Raises:
            ValueError: there is none of this name.
        """
        if head or loss:
            raise ValueError(f"the task {self.name} has one head and one loss: leave out the recipe's head and loss")
        return self

    def seen_from(self, views: int) -> Task:
        """The task whose artifact gives the mean over so many views."""
        return replace(self, views=views)

    def with_classes(self, classes: Sequence[str]) -> Task:
        """The task with these classes."""
        return replace(self, classes=tuple(classes))

    def teaching(self, labels: NDArray[np.int64], target_weight: float) -> NDArray[np.bool_]:
        """Which galaxies of the training split there is something to learn from: one without a class where votes count, or
        where the task has no classes.

        Args:
            labels: int64 (N,), -1 where a galaxy has no class.
            target_weight: as for :meth:`loss`.
        """
        return labels >= (-1 if target_weight or not self.label_column else 0)

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
        """The mean loss over a batch, a scalar.

        Args:
            outputs: float (N, outputs).
            labels: int64 (N,), -1 where a galaxy has no class.
            targets: float (N, len(self.targets)), NaN where nobody was asked.
            label_smoothing: share of a label's weight that is spread over all classes.
            class_weights: float (len(classes),), of each class's galaxies.
            target_weight: of the votes' loss against the classes'.
        """
        count = len(self.classes)
        losses = F.cross_entropy(
            outputs[:, :count], labels, ignore_index=-1, label_smoothing=label_smoothing, reduction="none"
        )
        if class_weights is not None:  # torch's own would weight what smoothing spreads by the classes that get it
            losses = losses * class_weights[labels.clamp(min=0)]
        # By the batch's size, not by the labelled: a batch with few labels must not count for more.
        loss = losses.sum() / len(outputs)
        if target_weight and self.questions:
            loss = loss + target_weight * self.votes_loss(outputs[:, count:], targets)
        return loss

    def votes_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of each question's answers, weighted by how many were asked; 0 for a perfect prediction.

        Args:
            outputs: float (N, len(self.targets)), logits of the answers.
            targets: float (N, len(self.targets)), cumulative; NaN where nobody was asked.
        """
        total = outputs.new_zeros(())
        start = 0
        for question in self.questions:
            votes = targets[:, start : start + len(question)]
            known = votes.isfinite().all(dim=1)
            votes = torch.where(known[:, None], votes, 0.0)
            asked = votes.sum(dim=1, keepdim=True)
            entropy = -torch.special.xlogy(votes, votes / asked.clamp(min=1e-6)).sum()
            log_share = outputs[:, start : start + len(question)].log_softmax(dim=1)
            total = total - (votes * log_share).sum() - entropy
            start += len(question)
        return total / len(outputs)

    def told(self, outputs: Tensor, temperature: float = 1.0) -> Tensor:
        """What outputs (N, outputs) say, to teach another model: float32 (N, classes + answers).

        Class probabilities come first, then vote fractions, cumulative as the questions'; NaN where there are no such outputs.
        """
        outputs = outputs[:, : self.outputs].float()
        probabilities, votes = self.predictions(outputs, temperature), outputs[:, len(self.classes) :]
        if outputs.shape[1] < self.outputs:
            unknown = torch.full((len(outputs), len(self.answers)), torch.nan, device=outputs.device)
            return torch.cat([probabilities, unknown], dim=1)
        if not self.questions:
            return probabilities
        parts = votes.split([len(question) for question in self.questions], dim=1)
        shares = torch.cat([part.softmax(dim=1) for part in parts], dim=1)
        if self.tree is not None:
            shares = torch.stack(cumulative_columns(self.tree, shares.unbind(dim=1)), dim=1)
        return torch.cat([probabilities, shares], dim=1)

    def taught_loss(self, outputs: Tensor, told: Tensor, *, temperature: float, target_weight: float = 0.0) -> Tensor:
        """The mean difference of a batch from what teachers say, a scalar; 0 where it says the same.

        For classes the Kullback-Leibler divergence at a temperature, times its square, as its gradient shrinks by that (Hinton et
        al. 2015, section 2.1); for votes the loss that people's have.

        Args:
            outputs: float (N, outputs).
            told: float (N, classes + answers), as :meth:`told` gives it, the mean of all teachers.
            temperature: of the classes.
            target_weight: of the votes' loss against the classes'.
        """
        count = len(self.classes)
        wanted = told[:, :count].clamp(min=1e-8).log().div(temperature).log_softmax(dim=1)
        given = outputs[:, :count].div(temperature).log_softmax(dim=1)
        loss = F.kl_div(given, wanted, reduction="batchmean", log_target=True) * temperature**2
        if target_weight and self.questions:
            loss = loss + target_weight * self.votes_loss(outputs[:, count:], told[:, count:])
        return loss

    def predictions(self, outputs: Tensor, temperature: float = 1.0) -> Tensor:
        """Class probabilities (N, classes) of outputs (N, outputs)."""
        return torch.softmax(outputs[:, : len(self.classes)].float() / temperature, dim=1)

    def judged(self, table: pd.DataFrame) -> pd.Series[bool]:
        """Which rows of a catalogue can be judged, and so belong into ``val`` and ``test``: here those with a label."""
        return table["label"].notna()

    def judge(
        self, predictions: NDArray[np.float64], labels: NDArray[np.int64], targets: NDArray[np.float32]
    ) -> dict[str, float]:
        """Figures of an epoch, by name; by ``score`` the best one is chosen, and more is better. Here it is the accuracy.

        Args:
            predictions: float64 (N, ...), as :meth:`predictions` gives them.
            labels: int64 (N,).
            targets: float32 (N, len(self.targets)).
        """
        right = predictions[np.arange(len(predictions)), labels]
        return {
            "score": float((predictions.argmax(1) == labels).mean()),
            "loss": float(-np.log(np.maximum(right, 1e-12)).mean()),
        }

    def calibrate(self, outputs: Tensor, labels: Tensor, targets: Tensor) -> float:
        """The temperature for :meth:`predictions`, from outputs (N, outputs) of the validation split; 1 changes nothing.

        Args:
            outputs: float (N, outputs).
            labels: int64 (N,).
            targets: float (N, len(self.targets)).
        """
        return fit_temperature(outputs[:, : len(self.classes)], labels)

    def artifact_module(self, core: nn.Module, input_size: int, temperature: float) -> nn.Module:
        """What is exported around a traced model: pixels in, all groups of outputs out, side by side."""
        answers = [len(question) for question in self.questions] if self.fractions else []
        also = {"scores": len(self.scores), "features": self.features, "views": self.views}
        return Classifier(core, input_size, self.crop, temperature, len(self.classes), answers, **also)


def chosen(what: str, name: str, known: Collection[str]) -> str:
    """A name that is known.

    Raises:
        ValueError: it is not.
    """
    if name not in known:
        raise ValueError(f"unknown {what} {name!r}; there are {', '.join(known)}")
    return name
