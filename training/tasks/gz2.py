"""The eight classes that CosmoFormer's thesis learns from Galaxy Zoo 2, in alphabetical order, on whole images.

Seven are values of galaxy-datasets' ``summary``, each a path through the decision tree that the volunteers' most frequent
answers take. ``irregular`` says nothing of a galaxy's shape: it is what the thesis calls the 11,816 of 209,293 galaxies without a
summary. Most of them are undecided, since votes were tied or few, but 1,572 are edge-on discs without arms or bar and 2,073 are
barred discs without arms: the table that turns paths into summaries, in galaxy-datasets' notebook
``gz2_b_optional_class_labels``, has no row for either, for the first by a slip. So a score on ``irregular`` means little; the
task ``gz2_decided`` leaves these galaxies out.
"""

from __future__ import annotations

from training.tasks.base import GZ2_RADII, Task

TASK = Task(
    name="gz2",
    label_column="summary",
    files="gz2-*.parquet",
    radii=GZ2_RADII,
    classes=(
        "barred_spiral",
        "edge_on_disk",
        "featured_without_bar_or_spiral",
        "irregular",
        "smooth_cigar",
        "smooth_inbetween",
        "smooth_round",
        "unbarred_spiral",
    ),
)
