"""How a trainer begins, what of it a checkpoint holds, and how one goes on from that."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from torch import nn

from training.loop import class_names
from training.loop.checkpoint import Progress, refuse_another
from training.loop.initial_weights import FRESH, start_from
from training.loop.job import Job
from training.loop.last_layer import freeze_features
from training.loop.schedule import planned
from training.models import Model

if TYPE_CHECKING:
    from training.loop.trainer import Trainer

_log = logging.getLogger(__name__)


def params_of(job: Job) -> dict[str, str]:
    """The recipe as text; teachers by their names and digests, not by paths."""
    return {**job.recipe.params(), **({"teacher": job.lesson.told} if job.lesson else {})}


def state_of(trainer: Trainer) -> dict[str, Any]:
    """All that :func:`go_on` needs."""
    return {
        "recipe": params_of(trainer.job),
        "data": _data(trainer.job),
        "processes": trainer.place.world_size,
        "progress": asdict(trainer.progress),
        "model": trainer.model.state_dict(),
        "average": trainer.average.weights,
        "average_steps": trainer.average.steps,
        "best": trainer.best,
        "optimiser": trainer.optimiser.state_dict(),
        "scaler": trainer.scaler.state_dict(),
        "guide": guide.state() if (guide := trainer.objective.guide) else None,
    }


def begin(model: nn.Module, kind: Model, job: Job) -> None:
    """Give a fresh model the weights that its job starts from, and freeze what shall not learn."""
    if job.start.weights:
        left = start_from(model, kind.adapted(model, job.start.weights))
        _log.info("weights taken over; fresh are %s", ", ".join(left) or "none")
    if job.recipe.freeze:
        freeze_features(model, job.task.outputs)
        if not job.start.weights and job.start.told.startswith(FRESH):
            _log.warning("the features are frozen, and fresh: nobody taught them anything (see --init)")


def go_on(trainer: Trainer, state: dict[str, Any]) -> None:
    """Bring a new trainer to where a checkpoint's was. More epochs or minutes than its give the rest of a longer schedule.

    Raises:
        ValueError: the checkpoint is another run's, or what shall make it longer leaves it as long as it is.
    """
    job = trainer.job
    longer = refuse_another(state, params_of(job), _data(job), trainer.place.world_size, job.folder)
    trainer.progress = Progress(**state["progress"])
    if longer:
        trainer.progress.stopped = False
        trainer.progress.epochs = planned(trainer.progress, trainer.epoch, trainer.recipe)
        if trainer.is_over:
            full = "epochs" if trainer.recipe.epochs <= trainer.progress.judged else "minutes"
            raise ValueError(
                f"{job.folder} is not made longer by more {' and '.join(sorted(longer))}: its {full} are used up after "
                f"{trainer.progress.judged} epochs; give more {full}, too"
            )
    trainer.model.load_state_dict(state["model"])
    trainer.average.load(state["average"], state["average_steps"])
    trainer.best = state["best"]
    trainer.optimiser.load_state_dict(state["optimiser"])
    if guide := trainer.objective.guide:
        guide.load(state["guide"])
    if state["scaler"]:  # none where another precision began it
        trainer.scaler.load_state_dict(state["scaler"])


def _data(job: Job) -> dict[str, str]:
    return {"train": job.train.version, "val": job.val.version, "classes": class_names.written(job.train.classes)}
