"""The way of a galaxy through the decision tree."""

from __future__ import annotations

from typing import Any

import pytest

from cosmoformer.votes.tree import GZ2
from cosmoformer.votes.way import tree_of, way


def said(**answers: str) -> dict[str, dict[str, Any]]:
    """Votes on every question: 0.7 for the answer that is named by the question with underscores, else for the first."""
    named = {name.replace("_", "-"): answer for name, answer in answers.items()}
    return {
        question.name: {
            "asked": 80.0,
            "fractions": {
                answer.name: 0.7 if answer.name == named.get(question.name, question.answers[0].name) else 0.1
                for answer in question.answers
            },
        }
        for question in GZ2.questions
    }


def steps(votes: dict[str, dict[str, Any]]) -> list[str]:
    return [f"{step.question.name}_{step.answer.name}" for step in way(votes)]


def test_a_smooth_galaxy_is_asked_how_round_it_is() -> None:
    """Each most-voted answer leads on, until one ends the classification; questions beside the way are left out."""
    votes = said(smooth_or_featured="smooth", how_rounded="cigar", something_odd="no")
    assert steps(votes) == ["smooth-or-featured_smooth", "how-rounded_cigar", "something-odd_no"]
    (first, *_) = way(votes)
    assert (first.question, first.answer.words, first.fraction, first.asked) == (GZ2.questions[0], "smooth", 0.7, 80.0)


def test_a_spiral_goes_the_longest_way() -> None:
    """By bar, arms, their winding and number to the bulge, and to what is odd about it."""
    votes = said(smooth_or_featured="featured-or-disk", disk_edge_on="no", spiral_arm_count="2", odd_feature="merger")
    assert steps(votes) == [
        "smooth-or-featured_featured-or-disk", "disk-edge-on_no", "bar_yes", "has-spiral-arms_yes", "spiral-winding_tight",
        "spiral-arm-count_2", "bulge-size_no", "something-odd_yes", "odd-feature_merger",
    ]  # fmt: skip


@pytest.mark.parametrize("answer", ["artifact", "smooth"])
def test_a_way_ends_with_the_votes(answer: str) -> None:
    """An artifact is asked nothing more; nor is there more to say of a galaxy whose next question has no votes."""
    votes = {"smooth-or-featured": said(smooth_or_featured=answer)["smooth-or-featured"]}
    assert steps(votes) == [f"smooth-or-featured_{answer}"]


def test_questions_of_no_known_tree_have_no_way() -> None:
    """Nothing is guessed of a tree that this release does not know, nor of no votes at all."""
    assert way({}) == way(said() | {"is-it-blue": {"asked": 100.0, "fractions": {"yes": 1.0}}}) == ()
    assert tree_of(["bar"]) is GZ2 and tree_of([]) is None
