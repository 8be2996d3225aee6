"""Measure whether another calibration than one temperature would make an artifact's confidence mean more.

    python -m training.evaluate_calibration --artifact cosmoformer/bundled/model.pt --data galaxies --out calibration.json

Calibrations are compared on the validation split, by cross-validation; the test split is only asked what its calibration error
is, and what chance alone would make of it (:mod:`training.evaluation.calibrations`).
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from cosmoformer.errors import CosmoFormerError
from cosmoformer.models import artifact
from cosmoformer.models.artifact import Artifact
from cosmoformer.terminal import console
from training.data.cache import ImageCache
from training.data.splits import open_splits
from training.evaluation.calibrations import GOAL, Floor, Judged, compare, floor
from training.evaluation.inference import probabilities
from training.evaluation.report_tables import show_calibrations
from training.heads.last_layer import task_of

SPLITS = ("val", "test")


@dataclass(frozen=True)
class CalibrationRecord:
    """What was found.

    Attributes:
        sha256: of the artifact.
        images: galaxies of each split.
        sets: version of each split (``ImageCache.version``).
        calibrations: compared on the validation split.
        floors: the calibration error of each split, and what chance alone makes of it.
    """

    sha256: str
    images: dict[str, int]
    sets: dict[str, str]
    calibrations: list[Judged]
    floors: dict[str, Floor]


def measure(model: Artifact, caches: dict[str, ImageCache]) -> CalibrationRecord:
    """Compare calibrations of an artifact.

    Args:
        model: the artifact.
        caches: of :data:`SPLITS`.
    """
    told = {split: probabilities(model, caches[split], what=f"{split} galaxies") for split in SPLITS}
    # What a softmax at the temperature T gives are logits again, as T·log p, up to a constant.
    logits = model.metadata.temperature * np.log(np.maximum(told["val"], np.finfo(np.float32).tiny))
    return CalibrationRecord(
        model.sha256,
        {split: len(caches[split].labels) for split in SPLITS},
        {split: caches[split].version for split in SPLITS},
        compare(torch.from_numpy(logits), torch.from_numpy(caches["val"].labels)),
        {split: floor(told[split], caches[split].labels) for split in SPLITS},
    )


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``python -m training.evaluate_calibration``; the exit status."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)  # the sums of several would differ in the last digits
    try:
        model = artifact.load(options.artifact.read_bytes())
        facts = model.metadata
        if not facts.classes:
            raise ValueError(f"{options.artifact} gives no classes: there is nothing to calibrate")
        caches = open_splits(task_of(model), options.data, options.cache, facts.input_size, SPLITS, facts.classes)
        record = measure(model, caches)
        if options.out:
            options.out.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
    except (CosmoFormerError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    show_calibrations(record.calibrations, f"{record.images['val']:,} galaxies of the val split", console())
    for split, found in record.floors.items():
        print(
            f"{split}: calibration error {found.measured}; by chance alone {found.mean} "
            f"({found.interval.low} to {found.interval.high}), {found.within_goal:.1%} of draws at most {GOAL}, "
            f"{found.as_high:.1%} at least as high as measured"
        )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate_calibration",
        description="Measure whether another calibration than one temperature would make confidence mean more.",
    )
    add = parser.add_argument
    add("--artifact", type=Path, required=True, help="TorchScript file that training wrote")
    add("--data", type=Path, required=True, help="labelled galaxies, as training.train takes them")
    add("--out", type=Path, help="file for what was found, as JSON")
    add("--cache", type=Path, default=Path(".cache"), help="folder for decoded images (default: .cache)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
