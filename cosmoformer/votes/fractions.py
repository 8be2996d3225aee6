"""Vote fractions of a decision tree, and the two forms that they come in.

*Conditional* fractions of a question are shares of those who were asked it: they sum to 1. *Cumulative* ones, as the Galaxy Zoo
Challenge has them, are shares of all volunteers: they sum to the share who were asked, which is how many reached the question by
their answers before. With one exception: the Challenge's answers to ``something-odd`` always sum to 1, and those of what follows
to the fraction of its ``yes``, as if the volunteers who saw a star or artifact had been asked too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from cosmoformer.votes.tree import Tree

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Column = TypeVar("Column", bound=Any)


def asked(tree: Tree, conditional: Mapping[str, float]) -> dict[str, float]:
    """Share of all volunteers, 0 to 1, who are asked each question.

    Args:
        tree: the decision tree.
        conditional: fraction of each answer by label. Answers that are missing count as 0.

    Returns:
        By name, of every question of the tree.
    """
    shares: dict[str, float] = {}
    reached: dict[str, float] = {}
    for question in tree.in_asking_order:
        before = tree.leading_to(question.name)
        share = min(sum(reached[label] for label in before), 1.0) if before else 1.0
        shares[question.name] = share
        reached |= {label: share * conditional.get(label, 0.0) for label in question.labels}
    return {question.name: shares[question.name] for question in tree.questions}


def to_cumulative(tree: Tree, conditional: NDArray[np.floating]) -> NDArray[np.float64]:
    """Cumulative fractions as the Challenge has them, (N, answers), of conditional ones.

    Args:
        tree: the decision tree.
        conditional: (N, answers) in the order of the tree's labels; NaN counts as 0, as of a question that nobody is asked.
    """
    import numpy as np

    columns = np.nan_to_num(np.asarray(conditional, np.float64)).T
    return np.stack(cumulative_columns(tree, list(columns)), axis=1)


def cumulative_columns(tree: Tree, conditional: Sequence[Column]) -> list[Column]:
    """:func:`to_cumulative` of columns of any kind that can be added and multiplied: arrays, or tensors on any device.

    Args:
        tree: the decision tree.
        conditional: a column for each of the tree's labels, in their order.
    """
    columns = dict(zip(tree.labels, conditional, strict=True))
    reached: dict[str, Column] = {}
    for question in tree.in_asking_order:
        before = tree.leading_to(question.name)
        share: Any = 1.0 if question.challenge_asks_all or not before else sum(reached[label] for label in before)
        reached |= {label: share * columns[label] for label in question.labels}
    return [reached[label] for label in tree.labels]


def to_conditional(tree: Tree, cumulative: NDArray[np.floating]) -> NDArray[np.float64]:
    """Conditional fractions, (N, answers), of cumulative ones; NaN where nobody was asked, or nothing is known.

    Args:
        tree: the decision tree.
        cumulative: (N, answers) in the order of the tree's labels, NaN where nothing is known.
    """
    import numpy as np

    given = np.asarray(cumulative, np.float64)
    parts, start = [], 0
    for question in tree.questions:
        answers = given[:, start : start + len(question.answers)]
        total = answers.sum(axis=1, keepdims=True)
        parts.append(np.divide(answers, total, out=np.full_like(answers, np.nan), where=total > 0))
        start += len(question.answers)
    return np.concatenate(parts, axis=1)
