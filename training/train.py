"""Train a model on labelled galaxies: from a folder of images to a measured, exported artifact.

    python -m training.train --data galaxies --recipe best --out runs/first

The folder given by ``--out`` becomes the run's record: checkpoint, figures, pictures, artifact. The same command goes on where
an interrupted run stood. With ``MLFLOW_TRACKING_URI`` set the record is mirrored to MLflow while it grows; without, or from a
machine that cannot reach it, ``cosmoformer import-run`` brings it there later. Several devices are used by
``torchrun --nproc-per-node 4 -m training.train ...``.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch

from cosmoformer import settings
from cosmoformer.cpus import cpu_limit
from cosmoformer.errors import CosmoFormerError, first_line
from cosmoformer.models.registry import Registry
from cosmoformer.runs.folder import RUN_FILE, read_run
from cosmoformer.runs.mirror import Mirror
from training import models, tasks
from training.data.cache import ImageCache
from training.data.classes import check_classes
from training.data.splits import open_splits
from training.distillation.lesson import lesson, live_lesson
from training.distillation.teachers import open_teacher
from training.finish import finish
from training.loop import checkpoint, recipe
from training.loop.distributed import Place, take_place
from training.loop.initial_weights import FRESH, Start, find_start
from training.loop.job import Job, Lesson, task_of
from training.loop.learning_rate_finder import find_learning_rate
from training.loop.progress import Stop, Stopped
from training.loop.recipe import Recipe, RecipeError
from training.loop.record import RunRecord, environment_tags
from training.loop.state import params_of
from training.loop.system_metrics import SystemSampler
from training.loop.trainer import Trainer, TrainingDiverged
from training.loop.trials import best_start
from training.tasks import Task

_log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``python -m training.train``; the exit status."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(options.threads or cpu_limit())
    try:
        with Stop.on_signals() as stop, take_place(options.device) as place:
            return _run(options, recipe.load(options.recipe, _changes(options)), place, stop)
    except Stopped:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    except (CosmoFormerError, TrainingDiverged, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
    except RuntimeError as error:  # torch's, which has a cure in some cases
        if (cure := _cure(error)) is None:
            raise
        print(f"error: {first_line(error)}: {cure}", file=sys.stderr)
    return 1


def _changes(options: argparse.Namespace) -> list[str]:
    """All changes to the recipe, in the order in which the last one counts."""
    own = {"epochs": options.epochs, "minutes": options.minutes, "teacher": options.teacher}
    return [*options.set, *(f"{name}={value}" for name, value in own.items() if value is not None)]


def _cure(error: RuntimeError) -> str | None:
    if isinstance(error, torch.OutOfMemoryError):
        return "a batch does not fit in the device's memory: lower it with --set batch_size=…"
    if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return "the model cannot be compiled here: --no-compile trains without"
    return None


def _run(options: argparse.Namespace, wanted: Recipe, place: Place, stop: Stop) -> int:
    job = prepare(options, wanted, place)
    if options.find_learning_rate:
        find_learning_rate(job)
        return 0
    if wanted.trials > 1 and not _has_begun(options):
        job = replace(job, start=best_start(job, stop))
    registry = Registry(settings.load()) if os.environ.get("MLFLOW_TRACKING_URI") else None
    trainer = Trainer(job)  # first: a folder of another run is refused, and that run's record stays as it is
    if place.agree(_is_finished(options.out) and trainer.is_over):
        if place.is_first:
            print(f"{options.out} holds this run, finished: give another folder to train again")
        return 0
    if not place.is_first:
        logging.getLogger().setLevel(logging.WARNING)
        trainer.fit(stop)
        return 0
    record = _record(options, trainer)
    with Mirror(record.folder, registry) if registry else nullcontext():
        _run_recorded(options, trainer, record, stop)
    return 0


def _is_finished(folder: Path) -> bool:
    return (folder / RUN_FILE).exists() and read_run(folder).status == "FINISHED"


def _run_recorded(options: argparse.Namespace, trainer: Trainer, record: RunRecord, stop: Stop) -> None:
    try:
        with SystemSampler(record, trainer.device):
            best = trainer.fit(stop, record)
        trainer.place.leave()  # nobody waits while one process measures
        with stop.at_once():
            finish(trainer, best, options.data, options.cache, record)
    except BaseException as error:
        record.finish("KILLED" if isinstance(error, Stopped | KeyboardInterrupt) else "FAILED")
        raise
    record.finish("FINISHED")


def prepare(options: argparse.Namespace, wanted: Recipe, place: Place) -> Job:
    """Open the data and gather what the run is made of.

    Raises:
        ValueError: the task, the model or the data do not fit the recipe.
        FileNotFoundError: there are no data.
    """
    task, classes = task_of(wanted), tasks.class_names(options.classes)
    sizes = models.find(wanted.model).image_sizes
    for side in (wanted.image_size, *(side for side, _ in wanted.sides)):
        if sizes and side not in sizes:
            raise RecipeError(f"{wanted.model} takes images of {', '.join(map(str, sizes))} pixels, not {side}")
    splits = ("train", "val")
    every = bool(wanted.teacher)  # teachers also tell of galaxies that people did not
    caches = open_splits(task, options.data, options.cache, wanted.image_size, splits, classes, every=every)
    task = task.with_classes(caches["train"].classes)
    if task.label_column:
        votes = wanted.target_weight and task.questions
        check_classes(caches["train"], options.data, labels_alone=not (votes or wanted.teacher))
    start = _start(options, wanted)
    taught = _lesson(options, wanted, task, caches["train"], place) if wanted.teacher else None
    compiled = options.compile if options.compile is not None else place.device.type == "cuda"
    return Job(wanted, task, caches["train"], caches["val"], options.out, place, start, taught, compiled)


def _lesson(options: argparse.Namespace, wanted: Recipe, task: Task, train: ImageCache, place: Place) -> Lesson:
    """What the recipe's teachers say of the training split."""
    teachers = [open_teacher(Path(path), place.device) for path in wanted.teacher]
    if not wanted.teacher_views:
        return live_lesson(teachers, task)

    def images(seen_by: Task, side: int) -> ImageCache:
        return open_splits(seen_by, options.data, options.cache, side, ("train",), train.classes, every=True)["train"]

    return lesson(teachers, task, train, images, views=wanted.teacher_views, folder=options.cache / "teachers")


def _record(options: argparse.Namespace, trainer: Trainer) -> RunRecord:
    job = trainer.job
    name = options.name or f"{job.task.name}-{job.recipe.model}-{options.out.name}"
    params = {
        **params_of(job),
        # Names, not paths: a record can be published as it is.
        "recipe": Path(options.recipe).name,
        "initial_weights": job.start.told,
        "train_images": str(len(trainer.rows)),
        "train_images_with_a_label": str(int((job.train.labels >= 0).sum())),
        "val_images": str(len(job.val.labels)),
        "skipped_images": str(len(job.train.skipped) + len(job.val.skipped)),
        "processes": str(job.place.world_size),
    }
    tags = {"task": job.task.name, "data_version": job.train.version, "val_version": job.val.version}
    return RunRecord(options.out, name, params, {**tags, **environment_tags(job.place.device)})


def _start(options: argparse.Namespace, wanted: Recipe) -> Start:
    """Where the run starts; one that goes on from its checkpoint fetches nothing, and tells what it told before."""
    if _has_begun(options):
        return Start(told=read_run(options.out).params.get("initial_weights", FRESH))
    if options.init and wanted.trials > 1:
        raise RecipeError("trials draws fresh weights, and --init names others: leave out one of the two")
    return find_start(options.init, wanted.model)


def _has_begun(options: argparse.Namespace) -> bool:
    out: Path = options.out
    return (out / checkpoint.NAME).exists() and (out / RUN_FILE).exists()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.train",
        description="Train a model on labelled galaxies.",
        epilog="Example: python -m training.train --data galaxies --recipe best --out runs/first",
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of parquet files or class folders, a CSV, or a GZ2 download")
    add("--out", type=Path, required=True, help="folder of the run: checkpoint, figures, artifact")
    add("--recipe", default="best", help=f"{', '.join(recipe.names())}, or the path of a .toml file (default: best)")
    add(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="change a field of the recipe; may be repeated",
    )
    add("--epochs", type=int, help="passes over the training split; more than before make a run in --out longer")
    add("--minutes", type=float, help="time for training, which the schedule is fitted to; more than before likewise")
    add("--teacher", action="append", help="artifact or checkpoint to learn from; may be repeated")
    add(
        "--classes",
        help="class names in order, separated by commas; double quotes around one that has a comma "
        "(default: the task's, or those in the data)",
    )
    add(
        "--init",
        action="append",
        default=[],
        metavar="WEIGHTS",
        help="what training starts from: a checkpoint, an artifact, a file of weights, an installed package that holds one, or "
        "'pretrained' (what timm fetches for the model); may be repeated, the first that can be had is taken",
    )
    add("--name", help="name of the run (default: from task, model and folder)")
    add("--cache", type=Path, default=Path(".cache"), help="folder for decoded images (default: .cache)")
    add("--device", default="auto", help="cpu, cuda, cuda:N or auto (default)")
    add(
        "--threads",
        type=int,
        default=int(os.environ.get("OMP_NUM_THREADS", "0")),
        help="of the CPU (default: its limit)",
    )
    add("--compile", action=argparse.BooleanOptionalAction, help="compile the model first (default: on a GPU)")
    add("--find-learning-rate", action="store_true", help="only try learning rates, and suggest one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
