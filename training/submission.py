"""Kaggle's submission file of the Galaxy Zoo Challenge: a row of 37 cumulative fractions for each image of a folder.

    python -m training.submission --artifact model.pt --images images_test_rev1 --out submission.csv

An image's GalaxyID is its file's name without suffix, as in the Challenge's archives. ``--views 16`` averages over turned and
mirrored views, if the artifact does not do so itself.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cosmoformer.cpus import cpu_limit
from cosmoformer.errors import CosmoFormerError, ImageRejected
from cosmoformer.images.decoding import decode
from cosmoformer.images.formats import has_image_suffix
from cosmoformer.models import artifact
from cosmoformer.models.artifact import Artifact
from cosmoformer.parallel import map_stream
from cosmoformer.terminal import console, progress
from cosmoformer.votes.fractions import to_cumulative
from cosmoformer.votes.tree import TREES, Tree
from training.data.decoding import LIMITS
from training.evaluation.views import unchanged, views

ID = "GalaxyID"
_DIGITS = 6


def submission(model: Artifact, paths: Sequence[Path], view_count: int = 1) -> NDArray[np.float64]:
    """Cumulative fractions (N, 37) of image files, in the order of the Challenge's columns.

    Args:
        model: an artifact that tells all vote fractions of a decision tree.
        paths: of the images.
        view_count: turned and mirrored views of each image whose mean is taken; 1 is the image as it is.

    Raises:
        ValueError: the artifact does not tell all fractions of a tree, a file is no picture, or the number of views is odd.
    """
    tree = tree_of(model)
    changes = views(view_count) if view_count > 1 else [unchanged]
    first = len(model.metadata.classes)
    nobody = np.zeros(1, np.int64)  # rows, which these changes do not look at

    def told(path: Path) -> NDArray[np.float64]:
        try:
            pixels = decode(path.read_bytes(), LIMITS).pixels
        except ImageRejected as rejection:
            raise ValueError(
                f"{path} cannot be judged, and a submission needs every galaxy: {rejection.detail}"
            ) from None
        image = torch.from_numpy(pixels).permute(2, 0, 1)[None]
        each = [model.predict(change(image, nobody))[0, first : first + len(tree.labels)] for change in changes]
        mean: NDArray[np.float64] = torch.stack(each).double().mean(dim=0).numpy()
        return mean

    found = []
    bar, advance = progress(console(stderr=True), "images", len(paths))
    with bar:
        for fractions in map_stream(told, paths, cpu_limit()):
            found.append(fractions)
            advance(len(found))
    return to_cumulative(tree, np.stack(found))


def tree_of(model: Artifact) -> Tree:
    """The decision tree whose fractions an artifact tells, all of them.

    Raises:
        ValueError: it tells none, or not all.
    """
    fractions = model.metadata.fractions
    if fractions is None or fractions.labels != TREES[fractions.tree].labels:
        raise ValueError(
            f"the artifact of run {model.metadata.run!r} does not tell all vote fractions: train one on the task gz2_votes"
        )
    return TREES[fractions.tree]


def images_in(folder: Path) -> list[Path]:
    """The image files of a folder, in the order of their GalaxyIDs.

    Raises:
        FileNotFoundError: there is none.
    """
    paths = sorted(path for path in folder.iterdir() if has_image_suffix(path.name))
    if not paths:
        raise FileNotFoundError(f"expected images named by their {ID} in {folder}, such as 100018.jpg; found none")
    return paths


def rows(tree: Tree, paths: Sequence[Path], cumulative: NDArray[np.float64]) -> Iterator[list[str]]:
    """The rows of the file, the heading first."""
    yield [ID, *tree.challenge_columns]
    for path, fractions in zip(paths, cumulative, strict=True):
        yield [path.stem, *(f"{one:.{_DIGITS}f}" for one in fractions)]


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``python -m training.submission``; the exit status."""
    options = _parser().parse_args(argv)
    torch.set_num_threads(1)  # as many images at once as there are CPUs, each on a thread
    try:
        model = artifact.load(options.artifact.read_bytes())
        tree, paths = tree_of(model), images_in(options.images)
        found = submission(model, paths, options.views)
        with options.out.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows(tree, paths, found))
    except (CosmoFormerError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{options.out}: {len(paths):,} galaxies")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.submission", description="Write the submission file of the Galaxy Zoo Challenge."
    )
    add = parser.add_argument
    add("--artifact", type=Path, required=True, help="TorchScript file that tells all vote fractions")
    add("--images", type=Path, required=True, help="folder of images named by their GalaxyID")
    add("--out", type=Path, required=True, help="the CSV file")
    add("--views", type=int, default=1, metavar="N", help="views of each image whose mean is taken (default: 1)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
