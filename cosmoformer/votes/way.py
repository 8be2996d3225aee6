"""The way of one galaxy through a decision tree: from each question to the one that its most-voted answer leads to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cosmoformer.votes.tree import TREES, Answer, Question, Tree


@dataclass(frozen=True)
class Step:
    """A question on a galaxy's way, and how volunteers would answer it.

    Attributes:
        question: the question.
        asked: how many of a hundred volunteers would be asked it.
        answer: what most of these would say.
        fraction: how many of these would, 0 to 1.
    """

    question: Question
    asked: float
    answer: Answer
    fraction: float


def way(votes: Mapping[str, Mapping[str, Any]]) -> tuple[Step, ...]:
    """The steps of a galaxy, from the question that everybody is asked to where its most-voted answers end.

    Args:
        votes: by question ``asked`` and ``fractions``, as a result has them (docs/results.md).

    Returns:
        None for questions of an unknown tree. The way ends early at a question that has no votes.
    """
    tree = tree_of(votes)
    steps: list[Step] = []
    name = tree.names[0] if tree else ""
    while tree and name in votes:
        step = _step(tree.question(name), votes[name])
        steps.append(step)
        name = step.answer.next
    return tuple(steps)


def tree_of(questions: Iterable[str]) -> Tree | None:
    """The tree that these questions are of, by their names; None where no known one has all of them."""
    names = set(questions)
    return next((tree for tree in TREES.values() if names and names.issubset(tree.names)), None)


def _step(question: Question, votes: Mapping[str, Any]) -> Step:
    fractions = votes["fractions"]
    answer = max(question.answers, key=lambda one: fractions.get(one.name, 0.0))
    return Step(question, votes["asked"], answer, fractions.get(answer.name, 0.0))
