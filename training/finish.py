"""The end of a run: export the best weights, measure them on galaxies they never saw, and keep all of it with the record."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from cosmoformer.models import artifact
from cosmoformer.models.artifact import Artifact
from cosmoformer.runs.folder import CARD_FILE, METRICS_FILE, MODEL_FILE, REPORT_FILE
from training.card import render
from training.data.cache import ImageCache
from training.data.splits import EmptySplit, open_splits
from training.evaluate import evaluate, write
from training.evaluation.inclination import tells_inclination
from training.evaluation.inference import outputs
from training.evaluation.registration import tags_of
from training.export import export
from training.loop import checkpoint
from training.loop.job import Job
from training.loop.record import RunRecord
from training.loop.trainer import Trainer

_log = logging.getLogger(__name__)

VIEWS = 16
_TOLD = (
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "macro_f1",
    "votes_rmse",
    "votes_rmse_low",
    "votes_rmse_high",
    "inclination_median_error",
    "inclination_within_68",
    "inclination_quarters_correlation",
    "score",
)
_SUBSET_ON_CPU = (
    200  # galaxies that robustness and views are measured on: 33 times a whole split takes a CPU half an hour
)


def finish(trainer: Trainer, best: Mapping[str, Tensor], data: Path, cache: Path, record: RunRecord) -> None:
    """Export, measure and record a trained model.

    Args:
        trainer: at its end.
        best: weights to export, by parameter name.
        data: where the galaxies came from.
        cache: folder of decoded images.
        record: gets the artifact, a report and the checkpoint; of classes, votes or inclinations also predictions, pictures and
            card.

    Raises:
        ValueError: the artifact is not equal to the model.
    """
    job = trainer.job
    content = export(best, job.recipe, job.task, job.val, record.info.run, job.train.version, train=job.train)
    record.artifact((MODEL_FILE, content))
    model = artifact.load(content)
    split, images = _unseen(job, data, cache)
    figures: dict[str, float] = {}
    if not job.task.is_classification:
        figures = job.task.judge(trainer.predict(best, images), images.labels, images.targets)
        told = {f"{split}_{name}": float(value) for name, value in figures.items()}
        record.log(trainer.progress.step, told)
        record.artifact((REPORT_FILE, json.dumps({"metrics": told, "tags": tags_of(model)}, indent=1).encode()))
    if job.task.is_classification or model.metadata.fractions or tells_inclination(model.metadata):
        figures |= _measure(trainer, model, split, images, record)
    record.artifact(record.folder / checkpoint.NAME)
    words = ", ".join(f"{name} {figures[name]:.4f}" for name in _TOLD if name in figures)
    _log.info("%s split: %s; artifact sha256 %s…", split, words, model.sha256[:12])
    _log.info("register it: cosmoformer import-run %s --register --promote", record.folder)


def _measure(trainer: Trainer, model: Artifact, split: str, images: ImageCache, record: RunRecord) -> dict[str, float]:
    """All figures of an artifact that tells classes, votes or inclinations, by name."""
    # On the CPU, whose figures are those that whoever repeats them gets; what only compares views may be quick.
    predictions = outputs(model, images, what=f"{split} galaxies")
    subset = _SUBSET_ON_CPU if trainer.device.type == "cpu" else 0
    report = evaluate(
        model,
        images,
        predictions,
        split=split,
        robustness=True,
        view_count=VIEWS if trainer.recipe.views == 1 else 0,  # else what is served has them already
        subset=subset,
        device=trainer.device,
        timed=True,
    )
    record.log(trainer.progress.step, report.metrics)
    record.artifact((CARD_FILE, render(report, trainer.recipe, record.info).encode()))
    with tempfile.TemporaryDirectory() as scratch:
        write(Path(scratch), report, images, predictions, record.folder / METRICS_FILE)
        for item in sorted(Path(scratch).iterdir()):
            record.artifact(item)
    return report.figures


def _unseen(job: Job, data: Path, cache: Path) -> tuple[str, ImageCache]:
    """The test split; where there is none, the validation split, whose figures are a little too good."""
    try:
        size, classes = job.recipe.image_size, job.task.classes
        return "test", open_splits(job.task, data, cache, size, ("test",), classes)["test"]
    except EmptySplit:
        _log.warning("there is no test split: figures are those of the validation split, by which the epoch was chosen")
        return "val", job.val
