"""What a model gives for an image: named groups of outputs, of which an artifact has at least one.

    | group       | outputs                                                                       |
    | ----------- | ----------------------------------------------------------------------------- |
    | `classes`   | probabilities of classes, which sum to 1                                      |
    | `fractions` | of the answers to questions of a decision tree; each question's sum to 1      |
    | `values`    | any numbers, with unit and range                                              |
    | `features`  | a vector, of which the metadata tell the length alone                         |

In an artifact's output they stand side by side in this order, but for the features, which its method ``described`` gives
beside. One value has a meaning to CosmoFormer itself: :data:`DOMAIN`, how much an image looks like the galaxies that the
model was trained on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cosmoformer.errors import ModelRefused
from cosmoformer.votes.fractions import asked
from cosmoformer.votes.tree import TREES, Question

if TYPE_CHECKING:
    from cosmoformer.models.artifact import Metadata

Votes = dict[str, dict[str, Any]]
_FRACTION_DIGITS, _ASKED_DIGITS = 4, 2  # many more than a model of votes is right in


@dataclass(frozen=True)
class Fractions:
    """Fractions of the answers to questions, conditional: of those who are asked (see :mod:`cosmoformer.votes.fractions`).

    Attributes:
        tree: name of the decision tree, of :data:`cosmoformer.votes.tree.TREES`.
        labels: of the answers, whole questions in the order of the tree. A question comes with those that lead to it.
    """

    tree: str
    labels: tuple[str, ...]

    @property
    def questions(self) -> tuple[Question, ...]:
        """Those whose answers these are."""
        return tuple(question for question in TREES[self.tree].questions if question.labels[0] in self.labels)

    def check(self) -> None:
        """Check that these are questions of a known tree.

        Raises:
            ModelRefused: the tree is unknown, or the labels are not what they should be.
        """
        if self.tree not in TREES:
            raise ModelRefused(
                f"the artifact answers questions of the tree {self.tree!r}; known are {', '.join(TREES)}",
                "Serve it with the version of CosmoFormer that exported it, or a later one",
            )
        expected = tuple(label for question in self.questions for label in question.labels)
        if not self.labels or self.labels != expected:
            wrong = next((label for label in self.labels if label not in expected), "the order, or a missing answer")
            raise ModelRefused(f"the artifact's fractions are not whole questions of {self.tree}: {wrong}")
        tree = TREES[self.tree]
        for question in self.questions:
            if missing := [label for label in tree.leading_to(question.name) if label not in self.labels]:
                raise ModelRefused(
                    f"the artifact answers {question.name!r} without {missing[0]!r}, which leads to it:"
                    " nobody could tell how many are asked"
                )


@dataclass(frozen=True)
class Value:
    """One number that a model gives.

    Attributes:
        name: unique among the model's outputs.
        unit: as VOTable writes it, such as ``deg``; empty for none.
        low: least that it can be; None where there is no least.
        high: most that it can be; None likewise.
    """

    name: str
    unit: str = ""
    low: float | None = None
    high: float | None = None

    def holds(self, number: float) -> bool:
        """Whether a number is in the range."""
        return (self.low is None or number >= self.low) and (self.high is None or number <= self.high)

    def described(self) -> str:
        """Unit and range in words, such as ``deg, 0 to 90``."""
        ends = ["…" if end is None else f"{end:g}" for end in (self.low, self.high)]
        return f"{self.unit or 'no unit'}, {' to '.join(ends)}"


#: How much an image looks like the galaxies that a model was trained on. At 0.5 it looks less so than all but a few in a
#: thousand galaxies of the validation split do (``training/heads/domain.py``).
DOMAIN = Value("in_domain", low=0.0, high=1.0)


@dataclass(frozen=True)
class Answer:
    """A model's outputs for one image, by group; a group that the model lacks is empty.

    Attributes:
        probabilities: by class.
        votes: by question: ``asked``, how many of a hundred volunteers the question would be put to, and ``fractions`` of
            these by answer.
        values: by name, in the units of ``units``.
        units: by the name of the value; those without a unit are left out.
        in_domain: the value :data:`DOMAIN`, which is not among the ``values``; None for a model that does not give it.
    """

    probabilities: dict[str, float]
    votes: Votes
    values: dict[str, float]
    units: dict[str, str]
    in_domain: float | None = None


def grouped(metadata: Metadata, outputs: Mapping[str, float]) -> Answer:
    """A model's outputs by group.

    Args:
        metadata: of its artifact.
        outputs: all of them by name, finite.
    """
    values = [value for value in metadata.values if value != DOMAIN]
    return Answer(
        {name: outputs[name] for name in metadata.classes},
        _votes(metadata.fractions, outputs) if metadata.fractions else {},
        {value.name: outputs[value.name] for value in values},
        {value.name: value.unit for value in values if value.unit},
        outputs[DOMAIN.name] if DOMAIN in metadata.values else None,
    )


def _votes(fractions: Fractions, outputs: Mapping[str, float]) -> Votes:
    shares = asked(TREES[fractions.tree], {label: outputs[label] for label in fractions.labels})
    return {
        question.name: {
            "asked": round(100 * shares[question.name], _ASKED_DIGITS),
            "fractions": {
                answer.name: round(outputs[label], _FRACTION_DIGITS)
                for answer, label in zip(question.answers, question.labels, strict=True)
            },
        }
        for question in fractions.questions
    }


def check_names(names: Sequence[str]) -> None:
    """Check the names of all outputs of an artifact.

    Raises:
        ModelRefused: there is none, or two outputs have the same one.
    """
    if not names:
        raise ModelRefused("the artifact gives nothing: no classes, fractions or values", "Export the model again")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ModelRefused(
            f"two outputs of the artifact are named {twice[0]!r}", "Rename one and export the model again"
        )


def check_ranges(values: Sequence[Value], numbers: Sequence[float]) -> None:
    """Check that numbers are in the ranges of the values that they are of.

    Raises:
        ModelRefused: one is not.
    """
    for value, number in zip(values, numbers, strict=True):
        if math.isfinite(number) and not value.holds(number):
            raise ModelRefused(f"self-check: {value.name!r} is {number:g}; its range is {value.described()}")


def missing(served: Metadata, candidate: Metadata) -> list[str]:
    """What users of a model would miss in another: each an output that it lacks, or gives in another form.

    A model may give more than the other; its classes have to be the same, since their probabilities sum to 1.
    """
    found = []
    if candidate.task != served.task:
        found.append(f"task {candidate.task!r} instead of {served.task!r}")
    if served.classes and set(candidate.classes) != set(served.classes):
        found.append(f"classes: {_changes(served.classes, candidate.classes)}")
    if served.fractions and not candidate.fractions:
        found.append(
            f"no vote fractions; served are {len(served.fractions.questions)} questions of {served.fractions.tree}"
        )
    elif served.fractions and candidate.fractions:
        found += _missing_questions(served.fractions, candidate.fractions)
    known = {value.name: value for value in candidate.values}
    for value in served.values:
        other = known.get(value.name)
        if other is None:
            cure = " (python -m training.domain_head teaches it)" if value == DOMAIN else ""
            found.append(f"no value {value.name!r}{cure}")
        elif other != value:
            found.append(f"{value.name!r} in {other.described()} instead of {value.described()}")
    return found


def _missing_questions(served: Fractions, candidate: Fractions) -> list[str]:
    if candidate.tree != served.tree:
        return [f"questions of {candidate.tree} instead of {served.tree}"]
    lacking = [question.name for question in served.questions if question not in candidate.questions]
    return [f"no answers to {', '.join(lacking)}"] if lacking else []


def _changes(old: Sequence[str], new: Sequence[str]) -> str:
    parts = {"without": [name for name in old if name not in new], "with": [name for name in new if name not in old]}
    if not new:
        return "none"
    return ", ".join(f"{word} {', '.join(names)}" for word, names in parts.items() if names)
