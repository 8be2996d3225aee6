"""The five "clean" classes of Galaxy Zoo 2 used by Zhu+2019, Li+2023 and Cao+2024, with the Galaxy Zoo Challenge's votes.

The catalogue's images are the central 320 of an original's 424 pixels.
"""

from __future__ import annotations

from cosmoformer.votes.tree import GZ2
from training.tasks.base import GZ2_RADII, Task

TASK = Task(
    name="clean5",
    label_column="clean5",
    files="gz_challenge-*.parquet",
    classes=("round_smooth", "in_between_smooth", "cigar_smooth", "edge_on", "spiral"),
    shown=320 / 424,
    crop=320 / 424,
    radii=GZ2_RADII,
    questions=tuple(question.challenge_columns for question in GZ2.questions),
    tree=GZ2,
)
