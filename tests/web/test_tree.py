"""The page's decision tree is the one that everything else reads."""

from __future__ import annotations

import json
from pathlib import Path

from cosmoformer.votes.tree import GZ2

TREE = Path(__file__).parents[2] / "web/js/tree.js"


def test_the_page_has_the_table_of_the_tree() -> None:
    """Questions, answers, their words and what follows them are the same on the page, in the same order."""
    page = json.loads(TREE.read_text(encoding="utf-8").partition("=")[2].strip().removesuffix(";"))
    assert [(name, question["words"]) for name, question in page.items()] == [
        (question.name, question.words) for question in GZ2.questions
    ]
    for question in GZ2.questions:
        answers = [(name, *about) for name, about in page[question.name]["answers"].items()]
        assert answers == [(answer.name, answer.words, answer.next) for answer in question.answers]
