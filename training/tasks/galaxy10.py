"""The ten classes of Galaxy10 DECaLS (Leung & Bovy; labels of Galaxy Zoo volunteers, images of the DESI Legacy Surveys).

The classes stand in the order of the numbers in the published file, ``Galaxy10_DECals.h5``; Tan (2023) numbers them by the
alphabet.
"""

from __future__ import annotations

from training.tasks.base import Task

TASK = Task(
    name="galaxy10",
    label_column="galaxy10_class",
    files="galaxy10_decals-*.parquet",
    numbers="ans",
    classes=(
        "Disturbed_Galaxies",
        "Merging_Galaxies",
        "Round_Smooth_Galaxies",
        "In_Between_Round_Smooth_Galaxies",
        "Cigar_Shaped_Smooth_Galaxies",
        "Barred_Spiral_Galaxies",
        "Unbarred_Tight_Spiral_Galaxies",
        "Unbarred_Loose_Spiral_Galaxies",
        "Edge_On_Galaxies_Without_Bulge",
        "Edge_On_Galaxies_With_Bulge",
    ),
)
