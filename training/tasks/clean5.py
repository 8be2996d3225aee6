"""The five "clean" classes of Galaxy Zoo 2 used by Zhu+2019, Li+2023 and Cao+2024, with the Galaxy Zoo Challenge's votes.

The catalogue's images are the central 320 of an original's 424 pixels.
"""

from __future__ import annotations

from training.tasks.base import Task

#: Number of answers of each question of the Galaxy Zoo 2 decision tree (Willett+2013, table 2).
ANSWERS = (3, 2, 2, 2, 4, 2, 3, 7, 3, 3, 6)

#: The answer after which each of its questions is asked.
REACHED = (
    "",
    "Class1.2",
    "Class2.2",
    "Class2.2",
    "Class2.2",
    "",
    "Class1.1",
    "Class6.1",
    "Class2.1",
    "Class4.1",
    "Class4.1",
)

TASK = Task(
    name="clean5",
    label_column="clean5",
    files="gz_challenge-*.parquet",
    classes=("round_smooth", "in_between_smooth", "cigar_smooth", "edge_on", "spiral"),
    shown=320 / 424,
    crop=320 / 424,
    questions=tuple(
        tuple(f"Class{question}.{answer}" for answer in range(1, answers + 1))
        for question, answers in enumerate(ANSWERS, start=1)
    ),
    reached=REACHED,
)
