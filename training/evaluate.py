"""Measure an artifact on a split that training never saw.

    python -m training.evaluate --artifact cosmoformer/bundled/model.pt --data galaxies --robustness --views 16 --out evaluation

The test split takes no part in training or calibration. The folder given by ``--out`` gets ``report.json`` (every figure),
``predictions.csv`` and ``pictures/``; ``--card`` writes the tags, metrics and parameters for the registry.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cosmoformer.errors import CosmoFormerError
from cosmoformer.models import artifact
from cosmoformer.models.artifact import Artifact
from cosmoformer.runs.folder import REPORT_FILE
from cosmoformer.terminal import console
from training import tasks
from training.data.cache import ImageCache
from training.data.catalogue import SPLITS
from training.data.splits import open_splits
from training.evaluation import metrics
from training.evaluation.domain import domain_figures
from training.evaluation.figures import OfClasses, flat, of_classes, of_domain, of_inclination, of_votes
from training.evaluation.footprint import Footprint, footprint
from training.evaluation.inclination import inclination_told
from training.evaluation.inference import BATCH, CPU, outputs, prediction_ms
from training.evaluation.pictures import draw_all
from training.evaluation.predictions import write_predictions
from training.evaluation.registration import card, held_out, tags_of
from training.evaluation.report import Conditions, Report, Subject
from training.evaluation.report_tables import show
from training.evaluation.robustness import measure_robustness, measure_views
from training.evaluation.votes import votes_told
from training.loop.distributed import choose_device

Predictions = NDArray[np.float64]


def evaluate(
    model: Artifact,
    cache: ImageCache,
    predictions: Predictions | None = None,
    *,
    split: str = "test",
    robustness: bool = False,
    view_count: int = 0,
    subset: int = 0,
    device: torch.device = CPU,
    sample: str = "",
    timed: bool = False,
    taken: Footprint | None = None,
) -> Report:
    """Measure an artifact: how well it tells classes, votes and inclinations, whichever both it and the images have.

    Args:
        model: the artifact.
        cache: labelled images, of the artifact's input size or any other.
        predictions: float64 (N, outputs), what :func:`training.evaluation.inference.outputs` gave for them; computed when None.
        split: name of the split, in front of the names of the figures.
        robustness: whether accuracy is measured against rotation and noise.
        view_count: how many views test-time augmentation has; 0 leaves it out.
        subset: how many galaxies, drawn at random, these two are measured on; 0 is all.
        device: where changed images are judged, and unchanged ones when ``predictions`` is None.
        sample: task whose images these are; empty is the artifact's own.
        timed: whether the time of a prediction is measured.
        taken: what the artifact's file and its process take, where that was measured.

    Raises:
        ValueError: the cache has other classes than the artifact, or galaxies without a label, or nothing to compare with, or
            ``view_count`` is odd.
    """
    check_fits(model, cache)
    if predictions is None:
        predictions = outputs(model, cache, device=device)
    votes = votes_told(model.metadata, predictions, cache.targets)
    inclination = inclination_told(model.metadata, predictions, cache.targets)
    domain = domain_figures(model, split, predictions[:, -1])
    if not (cache.classes or votes or inclination):
        raise ValueError(
            "there is nothing to measure: the images have neither classes nor votes nor inclinations that the artifact tells"
        )
    shares = predictions[:, : len(cache.classes)]
    told = _classes_told(model, cache, shares)
    rows = _subset_rows(len(cache.labels), subset)
    is_turned = robustness and bool(cache.classes)
    stable = measure_robustness(model, cache, rows, shares[rows], device) if is_turned else None
    seen = measure_views(model, cache, rows, predictions[rows], view_count, device) if view_count else None
    figures = told.figures | flat(told.classes, stable, seen) | of_votes(votes)
    figures |= of_inclination(inclination) | of_domain(domain)
    is_evidence = split == "test" and bool(cache.classes)
    return Report(
        model=_subject(model),
        conditions=_conditions(cache, split, device, sample),
        tags=tags_of(model) | (held_out(cache, shares) if is_evidence else {}),
        metrics={f"{split}_images": float(len(cache.labels))}
        | {f"{split}_{name}": value for name, value in figures.items()},
        classes=told.classes,
        confusion=told.confusion,
        reliability_before=told.before,
        reliability=told.after,
        mistakes=told.mistakes,
        robustness=stable,
        views=seen,
        votes=votes,
        inclination=inclination,
        domain=domain,
        prediction_ms=prediction_ms(model) if timed else None,
        batch_image_ms=prediction_ms(model, BATCH) if timed else None,
        footprint=taken,
    )


def _classes_told(model: Artifact, cache: ImageCache, shares: Predictions) -> OfClasses:
    if not cache.classes:
        return OfClasses()
    return of_classes(shares, cache.labels, cache.classes, model.metadata.temperature, cache.uids)


def check_fits(model: Artifact, cache: ImageCache) -> None:
    """Check that labels, where there are any, index the artifact's classes.

    Raises:
        ValueError: they index others, or a galaxy has none.
    """
    if cache.classes and cache.classes != model.metadata.classes:
        raise ValueError(f"the artifact knows the classes {model.metadata.classes}, the images are of {cache.classes}")
    if cache.classes and (unlabelled := int((cache.labels < 0).sum())):
        raise ValueError(f"{unlabelled} of {len(cache.labels)} galaxies have no label: leave them out")


def _subset_rows(total: int, size: int) -> NDArray[np.int64]:
    if not 0 < size < total:
        return np.arange(total)
    return np.sort(np.random.default_rng(metrics.SEED).choice(total, size, replace=False))


def _subject(model: Artifact) -> Subject:
    """What an artifact is, for a report."""
    return Subject(**vars(model.metadata), sha256=model.sha256, parameters=count_parameters(model))


def count_parameters(model: Artifact) -> int:
    """How many numbers of an artifact training could change.

    What is computed from them for the export (position biases), and the statistics of the pixels, are buffers and not counted.
    """
    return sum(parameter.numel() for parameter in model.module.parameters())


def _conditions(cache: ImageCache, split: str, device: torch.device, sample: str) -> Conditions:
    return Conditions(
        split=split,
        set=cache.version,
        images=len(cache.labels),
        skipped=len(cache.skipped),
        device="cpu" if device.type == "cpu" else torch.cuda.get_device_name(device),
        batch=BATCH,
        resamples=metrics.RESAMPLES,
        bins=metrics.BINS,
        seed=metrics.SEED,
        torch=torch.__version__,
        sample=sample,
    )


def open_split(model: Artifact, data: Path, cache: Path, split: str = "test", sample: str = "") -> ImageCache:
    """The images that an artifact is measured on: of its own task, or of the one named ``sample``.

    Their labels index the artifact's classes where the task is its own, and where it takes any. Of a task with classes they are
    those with a label: galaxies of the training split may have votes only.

    Raises:
        ValueError: the artifact's task is none of :data:`training.tasks.TASKS`, or see :func:`training.data.splits.open_splits`.
        FileNotFoundError: there are no data.
    """
    facts = model.metadata
    task = tasks.find(sample or facts.task).looking_at(facts.crop)
    takes_its_classes = sample in ("", facts.task) or (task.label_column and not task.classes)
    classes = facts.classes if takes_its_classes else None
    found = open_splits(task, data, cache, facts.input_size, (split,), classes)[split]
    return found.labelled() if found.classes else found


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``python -m training.evaluate``; the exit status."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        model = artifact.load(options.artifact.read_bytes())
        cache = open_split(model, options.data, options.cache, options.split, options.task)
        device = choose_device(options.device)
        predictions = outputs(model, cache)  # on the CPU: these figures are to be had again, to the last digit
        report = evaluate(
            model,
            cache,
            predictions,
            split=options.split,
            robustness=options.robustness,
            view_count=options.views,
            subset=options.subset,
            device=device,
            sample=options.task,
            timed=options.time,
            taken=footprint(options.artifact) if options.time else None,
        )
    except (CosmoFormerError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.out:
        write(options.out, report, cache, predictions)
    if options.card:
        options.card.write_text(json.dumps(card(report), indent=1) + "\n")
    show(report, console())
    return 0


def write(
    folder: Path, report: Report, cache: ImageCache, predictions: Predictions, metrics_file: Path | None = None
) -> None:
    """Write a report, its predictions and its pictures into a folder.

    Args:
        folder: made if it is missing.
        report: what was found.
        cache: the images it was found on.
        predictions: float64 (N, outputs), of these images.
        metrics_file: ``metrics.jsonl`` of the run that made the artifact, for its learning curves.
    """
    names = report.model.names[len(cache.classes) :]
    predictions = predictions[:, : len(cache.classes)] if cache.classes else predictions
    folder.mkdir(parents=True, exist_ok=True)
    (folder / REPORT_FILE).write_text(report.to_json(), encoding="utf-8")
    write_predictions(folder / "predictions.csv", cache, predictions, names)
    draw_all(report, cache, predictions, metrics_file, folder / "pictures")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate",
        description="Measure an artifact on images that it was not trained on.",
        epilog="Example: python -m training.evaluate --artifact model.pt --data galaxies --views 16 --out evaluation",
    )
    add = parser.add_argument
    add("--artifact", type=Path, required=True, help="TorchScript file that training wrote")
    add("--data", type=Path, required=True, help="labelled galaxies, as training.train takes them")
    add(
        "--task",
        default="",
        help="measure votes on this task's galaxies, such as gz2_votes (default: the artifact's own)",
    )
    add("--split", choices=SPLITS, default="test", help="which of them (default: test)")
    add("--robustness", action="store_true", help="measure accuracy against rotation and noise too")
    add("--views", type=int, default=0, metavar="N", help="measure test-time augmentation with N views too, such as 16")
    add("--subset", type=int, default=0, metavar="N", help="galaxies that these two are measured on (default: all)")
    add("--time", action="store_true", help="measure the time of a prediction too, on one thread, and memory")
    add("--out", type=Path, help="folder for report.json, predictions.csv and pictures")
    add("--card", type=Path, help="file for tags, metrics and parameters for the registry, as JSON")
    add("--cache", type=Path, default=Path(".cache"), help="folder for decoded images (default: .cache)")
    add("--device", default="auto", help="for robustness and views: cpu, cuda, cuda:N or auto (default)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
