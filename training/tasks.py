"""What can be learned: each task names its label column and its classes, in the order of the model's outputs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """A classification task.

    Attributes:
        name: identifier, also written into the artifact.
        label_column: column of the parquet files that holds the class name.
        files: pattern of the parquet files that carry it.
        classes: class names in the order of the model's outputs.
        crop: central fraction of an original image's side that the training images show.
    """

    name: str
    label_column: str
    files: str
    classes: tuple[str, ...]
    crop: float


#: The five "clean" classes of Galaxy Zoo 2 used by Zhu+2019, Li+2023 and Cao+2024. Training images are the central 320
#: of an original's 424 pixels.
CLEAN5 = Task(
    name="clean5",
    label_column="clean5",
    files="gz_challenge-*.parquet",
    classes=("round_smooth", "in_between_smooth", "cigar_smooth", "edge_on", "spiral"),
    crop=320 / 424,
)
TASKS = {task.name: task for task in (CLEAN5,)}
