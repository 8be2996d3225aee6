"""The eight classes that Lin et al. (2021, "Galaxy Morphological Classification with Efficient Vision Transformer") made of
Galaxy Zoo 2's votes."""

from __future__ import annotations

from training.tasks.base import GZ2_RADII, Task

TASK = Task(
    name="soliao8",
    label_column="soliao8",
    files="gz2-*.parquet",
    classes=(
        "round_elliptical",
        "in_between_elliptical",
        "cigar_elliptical",
        "edge_on",
        "barred_spiral",
        "unbarred_spiral",
        "irregular",
        "merger",
    ),
    shown=320 / 424,
    crop=320 / 424,
    radii=GZ2_RADII,
)
