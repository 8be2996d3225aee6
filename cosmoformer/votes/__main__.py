"""Print the decision tree of Galaxy Zoo 2 as the Markdown table of docs/results.md: ``python -m cosmoformer.votes``."""

from __future__ import annotations

from cosmoformer.votes.tree import GZ2, Tree


def markdown(tree: Tree) -> str:
    """A row for each question: its name and words, and its answers with the Challenge's name and what each leads to."""
    lines = ["| question | asks | answers: Challenge's name, next question |", "| --- | --- | --- |"]
    for question in tree.questions:
        answers = [
            f"`{answer.name}` {column}{f' → {answer.next}' if answer.next else ''}"
            for answer, column in zip(question.answers, question.challenge_columns, strict=True)
        ]
        lines.append(f"| `{question.name}` | {question.words} | {'; '.join(answers)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown(GZ2))
