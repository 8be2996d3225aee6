"""What a registry keeps of an evaluation: tags, metrics, parameters and a description."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosmoformer.models.artifact import Artifact
from cosmoformer.models.gate import HeldOut
from training.data.cache import ImageCache
from training.evaluation import metrics
from training.evaluation.report import Report


def tags_of(model: Artifact) -> dict[str, str]:
    """What a registry can find an artifact's version by."""
    facts = model.metadata
    return {"task": facts.task, "data_version": facts.data_version, "training_run": facts.run}


def held_out(cache: ImageCache, predictions: NDArray[np.float64]) -> dict[str, str]:
    """Which galaxies of the test split are classified right, as the tags that the promotion gate compares."""
    order = np.argsort(np.array(cache.uids))
    return HeldOut.of(cache.version, metrics.is_right(predictions, cache.labels)[order]).tags()


def card(report: Report) -> dict[str, Any]:
    """What the registry keeps of an artifact: tags, metrics, parameters and a description."""
    facts, figures = report.model, report.figures
    params = {
        "input_size": str(facts.input_size),
        "temperature": str(facts.temperature),
        "crop": f"{facts.crop:.4f}",
        "parameters": str(facts.parameters),
    }
    if report.robustness:
        params["robustness_images"] = str(report.robustness.images)
    if report.views:
        params["views_images"] = str(report.views.images)
    votes = report.votes
    told = [f"Vote fractions: RMSE {votes.rmse:.4f} on {votes.images:,} of them."] if votes else []
    told += report.inclination.words() if report.inclination else []
    sample = f"{report.conditions.images:,} galaxies of the {report.conditions.split} split of {report.sample}"
    if report.classes:
        accuracy, low, high = (figures[name] for name in ("accuracy", "accuracy_low", "accuracy_high"))
        judged = f"Accuracy {accuracy:.4f} (95 % {low:.4f} to {high:.4f}) on {sample}."
        told = [f"{', '.join(facts.classes)}.", judged, *told]
    else:
        told = [f"{len(facts.names)} answers of {facts.told}, on {sample}.", *told]
    if domain := report.domain:
        told.append(
            f"Flagged as no galaxy: {domain.galaxies.share:.1%} of them, {domain.strangers_share:.1%} of other pictures."
        )
    return {
        "tags": report.tags,
        "metrics": report.metrics,
        "params": params,
        "description": " ".join([*told, "See mlflow/model-card.md."]),
    }
