"""What makes cumulative vote fractions of a model's outputs: the heads of a task that learns fractions, by name.

A head takes outputs (N, answers), in the order of a decision tree's labels, and gives fractions of the same shape in 0..1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cosmoformer.votes.tree import Tree

Head = Callable[[Tree, Tensor], Tensor]


def sigmoid(tree: Tree, outputs: Tensor) -> Tensor:
    """Each answer for itself: what the answers before it say has no say (Ng 2024, "Model Architecture")."""
    return torch.sigmoid(outputs)


def weighted_softmax(tree: Tree, outputs: Tensor) -> Tensor:
    """A softmax over the answers of each question, weighted by the fraction that reaches it (Ng 2024, "Model Architecture").

    The fractions agree with the tree whatever the outputs are.
    """
    parts = outputs.split([len(question.answers) for question in tree.questions], dim=1)
    shares = {question.name: part.softmax(dim=1) for question, part in zip(tree.questions, parts, strict=True)}
    reached: dict[str, Tensor] = {}
    for question in tree.in_asking_order:
        before = tree.leading_to(question.name)
        fractions = shares[question.name]
        if before and not question.challenge_asks_all:
            fractions = fractions * sum((reached[label] for label in before), fractions.new_zeros(len(fractions), 1))
        reached |= dict(zip(question.labels, fractions.split(1, dim=1), strict=True))
    return torch.cat([reached[label] for label in tree.labels], dim=1)


HEADS: dict[str, Head] = {"sigmoid": sigmoid, "weighted_softmax": weighted_softmax}
