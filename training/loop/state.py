"""What of a trainer a checkpoint holds, and how one goes on from it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from training.loop.checkpoint import Progress, refuse_another
from training.loop.job import Job
from training.loop.schedule import planned

if TYPE_CHECKING:
    from training.loop.trainer import Trainer


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
    }


def go_on(trainer: Trainer, state: dict[str, Any]) -> None:
    """Bring a new trainer to where a checkpoint's was. More epochs or minutes than its give the rest of a longer schedule.

    Raises:
        ValueError: the checkpoint is another run's.
    """
    job = trainer.job
    longer = refuse_another(state, params_of(job), _data(job), trainer.place.world_size, job.folder)
    trainer.progress = Progress(**state["progress"])
    if longer:
        trainer.progress.stopped = False
        trainer.progress.epochs = planned(trainer.progress, trainer.epoch, trainer.recipe)
    trainer.model.load_state_dict(state["model"])
    trainer.average.load(state["average"], state["average_steps"])
    trainer.best = state["best"]
    trainer.optimiser.load_state_dict(state["optimiser"])
    if state["scaler"]:  # none where another precision began it
        trainer.scaler.load_state_dict(state["scaler"])


def _data(job: Job) -> dict[str, str]:
    return {"train": job.train.version, "val": job.val.version, "classes": ",".join(job.train.classes)}
