"""Measure how well an artifact tells votes, on every galaxy of a split whose volunteers' votes are known.

    python -m training.evaluate_votes --artifact cosmoformer/bundled/model.pt --data galaxies --out votes

``training.evaluate`` measures votes beside the classes, and so only on galaxies with a class: those on whose shape volunteers
agreed. Here are all, and both kinds by themselves. The folder given by ``--out`` gets ``votes.json``, every figure, and
``votes.png``, what a told fraction means, question by question.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosmoformer.errors import CosmoFormerError
from cosmoformer.models import artifact
from cosmoformer.models.artifact import Artifact
from cosmoformer.terminal import console
from training.data.cache import ImageCache
from training.data.catalogue import SPLITS
from training.data.splits import open_voted
from training.evaluation.inference import outputs
from training.evaluation.pictures import draw_votes
from training.evaluation.report_tables import show_votes
from training.evaluation.votes import VoteFigures, votes_of, votes_told
from training.heads.last_layer import task_of

RECORD_FILE, PICTURE_FILE = "votes.json", "votes.png"


@dataclass(frozen=True)
class VoteRecord:
    """How well an artifact tells votes.

    Attributes:
        sha256: of the artifact.
        split: the split that was measured.
        set: its version (``ImageCache.version``).
        all: figures of all its galaxies whose votes are known.
        with_class: of those that have a class; None where there is none.
        without_class: of those that have not; None likewise.
    """

    sha256: str
    split: str
    set: str
    all: VoteFigures
    with_class: VoteFigures | None
    without_class: VoteFigures | None

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> VoteRecord:
        """The record of which these are the members, as ``votes.json`` has them."""
        names = ("all", "with_class", "without_class")
        return cls(**dict(members) | {name: members[name] and votes_of(members[name]) for name in names})

    def sample(self) -> str:
        """Which galaxies, in words."""
        return f"{self.all.images:,} galaxies of the {self.split} split"


def measure(model: Artifact, cache: ImageCache, split: str) -> VoteRecord:
    """Measure an artifact on galaxies with every vote.

    Raises:
        ValueError: the artifact tells no votes, or the galaxies have those of another tree.
    """
    told = outputs(model, cache, what=f"{split} galaxies")
    labelled: NDArray[np.bool_] = cache.labels >= 0

    def figures(rows: NDArray[np.bool_]) -> VoteFigures | None:
        return votes_told(model.metadata, told[rows], cache.targets[rows])

    everything = figures(np.ones(len(labelled), bool))
    if everything is None:
        raise ValueError("the artifact tells no votes, or those of another tree than the galaxies have")
    return VoteRecord(model.sha256, split, cache.version, everything, figures(labelled), figures(~labelled))


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``python -m training.evaluate_votes``; the exit status."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        model = artifact.load(options.artifact.read_bytes())
        facts = model.metadata
        cache = open_voted(task_of(model), options.data, options.cache, facts.input_size, options.split)
        record = measure(model, cache, options.split)
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            (options.out / RECORD_FILE).write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
            draw_votes(record.all, record.sample(), options.out / PICTURE_FILE)
    except (CosmoFormerError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    kinds = {"": record.all, " with a class": record.with_class, " without a class": record.without_class}
    for kind, found in kinds.items():
        if found:
            show_votes(found, f"{found.images:,} galaxies{kind} of the {record.split} split", console())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate_votes",
        description="Measure how well an artifact tells votes, on galaxies with and without a class.",
    )
    add = parser.add_argument
    add("--artifact", type=Path, required=True, help="TorchScript file that training wrote")
    add("--data", type=Path, required=True, help="galaxies with votes, as training.train takes them")
    add("--split", choices=SPLITS, default="test", help="which of them (default: test)")
    add("--out", type=Path, help=f"folder for {RECORD_FILE} and {PICTURE_FILE}")
    add("--cache", type=Path, default=Path(".cache"), help="folder for decoded images (default: .cache)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
