"""Measure an artifact on the test split, and write the card that travels with the bundled model.

    python -m training.evaluate --artifact cosmoformer/bundled/model.pt --data galaxies

The test split is never seen by training or calibration. Images of the parquet files already are the centre of their originals,
so the artifact is asked without its crop.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support

from cosmoformer import artifact
from cosmoformer.artifact import Artifact
from training.cache import ImageCache
from training.splits import open_splits
from training.tasks import TASKS

BOOTSTRAPS = 10_000
BINS = 15


def probabilities(model: Artifact, cache: ImageCache, batch: int = 32) -> NDArray[np.float64]:
    """Class probabilities (N, classes) of the images of a cache."""
    parts = []
    for start in range(0, len(cache.labels), batch):
        with torch.inference_mode():
            parts.append(model.module.cropped(cache.images(slice(start, start + batch))).double().numpy())
    return np.concatenate(parts)


def measure(predicted: NDArray[np.float64], labels: NDArray[np.int64], classes: tuple[str, ...]) -> dict[str, float]:
    """Figures by name: accuracy with its 95 % bootstrap interval, F1, precision and recall, calibration error."""
    right = predicted.argmax(1) == labels
    generator = np.random.default_rng(0)
    draws = generator.binomial(len(right), right.mean(), BOOTSTRAPS) / len(right)  # resampling a 0/1 vector is binomial
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, predicted.argmax(1), labels=range(len(classes)), zero_division=0
    )
    figures = {
        "test_images": float(len(labels)),
        "test_accuracy": float(right.mean()),
        "test_accuracy_low": float(np.percentile(draws, 2.5)),
        "test_accuracy_high": float(np.percentile(draws, 97.5)),
        "test_macro_f1": float(f1.mean()),
        "test_calibration_error": calibration_error(predicted, labels),
    }
    for index, name in enumerate(classes):
        figures |= {
            f"test_precision_{name}": float(precision[index]),
            f"test_recall_{name}": float(recall[index]),
            f"test_f1_{name}": float(f1[index]),
        }
    return {name: round(value, 5) for name, value in figures.items()}


def calibration_error(predicted: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Expected calibration error of the top class in 15 equal bins of confidence (Guo et al. 2017, equation 5)."""
    confidence, right = predicted.max(1), predicted.argmax(1) == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [
        abs(right[bins == index].mean() - confidence[bins == index].mean()) * (bins == index).mean()
        for index in np.unique(bins)
    ]
    return float(sum(gaps))


def card(model: Artifact, figures: dict[str, float]) -> dict[str, Any]:
    """What the registry is told of the bundled model: tags, metrics, parameters and a description."""
    facts = model.metadata
    return {
        "tags": {"task": facts.task, "data_version": facts.data_version, "training_run": facts.run},
        "metrics": figures,
        "params": {
            "input_size": str(facts.input_size),
            "temperature": str(facts.temperature),
            "crop": f"{facts.crop:.4f}",
        },
        "description": (
            f"CrossFormer, {', '.join(facts.classes)}. Accuracy {figures['test_accuracy']:.4f} on "
            f"{figures['test_images']:.0f} test galaxies of the clean Galaxy Zoo sample. See mlflow/model-card.md."
        ),
    }


def main(argv: list[str] | None = None) -> None:
    """Entry point of ``python -m training.evaluate``."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description="Measure an artifact.")
    parser.add_argument("--artifact", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of parquet files with images and labels")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--card", type=Path, help="where to write the card, as JSON")
    options = parser.parse_args(argv)
    model = artifact.load(options.artifact.read_bytes())
    task, size = TASKS[model.metadata.task], model.metadata.input_size
    cache = open_splits(task, options.data, options.cache, size, ("test",), model.metadata.classes)["test"]
    figures = measure(probabilities(model, cache), cache.labels, model.metadata.classes)
    if options.card:
        options.card.write_text(json.dumps(card(model, figures), indent=1) + "\n")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
