"""The decision tree of Galaxy Zoo 2, against the paper's table and other people's names for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cosmoformer.votes.__main__ import markdown
from cosmoformer.votes.tree import GZ2, TREES, Answer, Question, Tree


def test_the_tree_has_the_tasks_of_the_paper() -> None:
    """Eleven questions with 37 answers, in the numbers of Willett et al. 2013, table 2."""
    assert [len(question.answers) for question in GZ2.questions] == [3, 2, 2, 2, 4, 2, 3, 7, 3, 3, 6]
    assert len(set(GZ2.labels)) == len(GZ2.labels) == 37
    assert TREES["gz2"] is GZ2


def test_answers_have_the_names_of_the_challenge() -> None:
    """Columns are numbered by question and answer, as in the Galaxy Zoo Challenge's solutions."""
    assert (GZ2.challenge_columns[0], GZ2.challenge_columns[-1]) == ("Class1.1", "Class11.6")
    assert dict(zip(GZ2.challenge_columns, GZ2.labels, strict=True))["Class7.3"] == "how-rounded_cigar"


def test_names_are_those_of_galaxy_datasets() -> None:
    """Where the package galaxy-datasets names a question or answer, this table calls it the same."""
    metadata = pytest.importorskip("galaxy_datasets.shared.label_metadata", reason="galaxy-datasets is not installed")
    theirs = {
        question.removesuffix("-gz2"): {answer.removeprefix("_") for answer in answers}
        for question, answers in metadata.gz2_ortho_pairs.items()
    }
    ours = {question.name: {answer.name for answer in question.answers} for question in GZ2.questions}
    assert ours.pop("odd-feature") and ours == theirs


@pytest.mark.parametrize(
    "name, before",
    [
        ("smooth-or-featured", ()),
        ("bar", ("disk-edge-on_no",)),
        ("has-spiral-arms", ("bar_yes", "bar_no")),
        ("spiral-arm-count", ("spiral-winding_tight", "spiral-winding_medium", "spiral-winding_loose")),
        ("odd-feature", ("something-odd_yes",)),
    ],
)
def test_questions_follow_answers(name: str, before: tuple[str, ...]) -> None:
    """Which answers lead to a question."""
    assert GZ2.leading_to(name) == before
    assert GZ2.question(name).name == name


def test_every_way_through_the_tree_but_an_artifact_comes_to_what_is_odd() -> None:
    """Whatever volunteers answer, they are asked whether there is anything odd, and then at the most what."""

    def ways(name: str) -> list[tuple[str, ...]]:
        question = GZ2.question(name)
        return [
            (name, *way)
            for answer in question.answers
            for way in (ways(answer.next) if answer.next else [(answer.name,)])
        ]

    found = ways("smooth-or-featured")
    assert [way for way in found if "something-odd" not in way] == [("smooth-or-featured", "artifact")]
    assert max(map(len, found)) == 10  # eight questions before what is odd, that, and its answer


def test_asking_order_puts_a_question_behind_those_that_lead_to_it() -> None:
    """Arms are counted before the bulge is looked at, though the table has them the other way round."""
    order = [question.name for question in GZ2.in_asking_order]
    assert sorted(order) == sorted(question.name for question in GZ2.questions)
    assert order.index("spiral-arm-count") < order.index("bulge-size") < order.index("something-odd")


def test_a_tree_in_a_circle_is_refused() -> None:
    """A tree that never ends has no order, and says where it turns."""
    round_and_round = (
        Question("a", "?", (Answer("x", "x", "b"),), "C1"),
        Question("b", "?", (Answer("y", "y", "a"),), "C2"),
    )
    with pytest.raises(ValueError, match="'circle' leads in a circle through 'a'"):
        _ = Tree("circle", round_and_round).in_asking_order


def test_the_documentation_has_the_table_of_the_tree() -> None:
    """The page on results shows what the command prints."""
    page = (Path(__file__).parents[3] / "docs/results.md").read_text(encoding="utf-8")
    assert page.partition("<!-- tree")[2].partition("-->\n")[2].partition("\n<!-- /tree")[0] == markdown(GZ2)
