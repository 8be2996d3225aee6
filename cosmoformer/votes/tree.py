"""Decision trees of Galaxy Zoo as data: questions, their answers, and which answer leads to which question.

:data:`GZ2` is the tree of Galaxy Zoo 2 (Willett et al. 2013, MNRAS 435, 2835, table 2), in the order of its tasks 01 to 11.
Names of questions and answers are those of the package galaxy-datasets, which has none for ``odd-feature``; the Galaxy Zoo
Challenge calls the same answers ``Class1.1`` to ``Class11.6``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Answer:
    """One answer of a question.

    Attributes:
        name: short name, unique within the question.
        words: as volunteers read it.
        next: name of the question that follows; empty where the classification ends.
    """

    name: str
    words: str
    next: str = ""


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        name: short name, unique within the tree.
        words: as volunteers read it.
        answers: in the order of the table.
        challenge: what the Galaxy Zoo Challenge calls it, such as ``Class1``; its answers are numbered from 1.
        challenge_asks_all: whether the Challenge's fractions of its answers sum to 1, whoever was asked.
    """

    name: str
    words: str
    answers: tuple[Answer, ...]
    challenge: str
    challenge_asks_all: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the answers within the tree, such as ``bar_yes``."""
        return tuple(f"{self.name}_{answer.name}" for answer in self.answers)

    @property
    def challenge_columns(self) -> tuple[str, ...]:
        """The same in the Galaxy Zoo Challenge, such as ``Class3.1``."""
        return tuple(f"{self.challenge}.{number}" for number, _ in enumerate(self.answers, start=1))


@dataclass(frozen=True)
class Tree:
    """A decision tree; several answers may lead to the same question.

    Attributes:
        name: as artifacts call it.
        questions: in the order of the table; the first is asked of everybody.
    """

    name: str
    questions: tuple[Question, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all questions, in order."""
        return tuple(question.name for question in self.questions)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Names of all answers, in order."""
        return tuple(label for question in self.questions for label in question.labels)

    @cached_property
    def challenge_columns(self) -> tuple[str, ...]:
        """What the Galaxy Zoo Challenge calls them, in the same order."""
        return tuple(column for question in self.questions for column in question.challenge_columns)

    def question(self, name: str) -> Question:
        """A question by its name.

        Raises:
            KeyError: the tree has no such question.
        """
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Question]:
        return {question.name: question for question in self.questions}

    def leading_to(self, name: str) -> tuple[str, ...]:
        """Labels of the answers that lead to a question; none lead to the first."""
        return tuple(
            label
            for question in self.questions
            for label, answer in zip(question.labels, question.answers, strict=True)
            if answer.next == name
        )

    @cached_property
    def in_asking_order(self) -> tuple[Question, ...]:
        """The questions so that each stands behind all that lead to it."""
        order: list[Question] = []
        waiting = list(self.questions)
        known: set[str] = set()
        while waiting:
            ready = [one for one in waiting if known.issuperset(self.leading_to(one.name))]
            if not ready:
                raise ValueError(f"the tree {self.name!r} leads in a circle through {waiting[0].name!r}")
            order += ready
            known.update(label for one in ready for label in one.labels)
            waiting = [one for one in waiting if one not in ready]
        return tuple(order)


_A, _Q = Answer, Question

# fmt: off
GZ2 = Tree("gz2", (
    _Q("smooth-or-featured", "Is the galaxy simply smooth and rounded, with no sign of a disk?", (
        _A("smooth", "smooth", "how-rounded"),
        _A("featured-or-disk", "features or disk", "disk-edge-on"),
        _A("artifact", "star or artifact"),
    ), "Class1"),
    _Q("disk-edge-on", "Could this be a disk viewed edge-on?", (
        _A("yes", "yes", "bulge-shape"),
        _A("no", "no", "bar"),
    ), "Class2"),
    _Q("bar", "Is there a sign of a bar feature through the centre of the galaxy?", (
        _A("yes", "yes", "has-spiral-arms"),
        _A("no", "no", "has-spiral-arms"),
    ), "Class3"),
    _Q("has-spiral-arms", "Is there any sign of a spiral arm pattern?", (
        _A("yes", "yes", "spiral-winding"),
        _A("no", "no", "bulge-size"),
    ), "Class4"),
    _Q("bulge-size", "How prominent is the central bulge, compared with the rest of the galaxy?", (
        _A("no", "no bulge", "something-odd"),
        _A("just-noticeable", "just noticeable", "something-odd"),
        _A("obvious", "obvious", "something-odd"),
        _A("dominant", "dominant", "something-odd"),
    ), "Class5"),
    _Q("something-odd", "Is there anything odd?", (
        _A("yes", "yes", "odd-feature"),
        _A("no", "no"),
    ), "Class6", challenge_asks_all=True),
    _Q("how-rounded", "How rounded is it?", (
        _A("round", "completely round", "something-odd"),
        _A("in-between", "in between", "something-odd"),
        _A("cigar", "cigar-shaped", "something-odd"),
    ), "Class7"),
    _Q("odd-feature", "Is the odd feature a ring, or is the galaxy disturbed or irregular?", (
        _A("ring", "ring"),
        _A("lens-or-arc", "lens or arc"),
        _A("disturbed", "disturbed"),
        _A("irregular", "irregular"),
        _A("other", "other"),
        _A("merger", "merger"),
        _A("dust-lane", "dust lane"),
    ), "Class8"),
    _Q("bulge-shape", "Does the galaxy have a bulge at its centre? If so, what shape?", (
        _A("round", "rounded", "something-odd"),
        _A("boxy", "boxy", "something-odd"),
        _A("no-bulge", "no bulge", "something-odd"),
    ), "Class9"),
    _Q("spiral-winding", "How tightly wound do the spiral arms appear?", (
        _A("tight", "tight", "spiral-arm-count"),
        _A("medium", "medium", "spiral-arm-count"),
        _A("loose", "loose", "spiral-arm-count"),
    ), "Class10"),
    _Q("spiral-arm-count", "How many spiral arms are there?", (
        _A("1", "1", "bulge-size"),
        _A("2", "2", "bulge-size"),
        _A("3", "3", "bulge-size"),
        _A("4", "4", "bulge-size"),
        _A("more-than-4", "more than four", "bulge-size"),
        _A("cant-tell", "can't tell", "bulge-size"),
    ), "Class11"),
))
# fmt: on

#: The trees by name; an artifact names the one that its questions are of.
TREES = {tree.name: tree for tree in (GZ2,)}
