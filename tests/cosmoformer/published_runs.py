"""A finished training run with a card and an evaluation of its model."""

from __future__ import annotations

import json
from pathlib import Path

from cosmoformer.models.artifact import digest
from tests.cosmoformer.tiny_artifact import tiny_artifact
from training.loop.record import RunRecord

CARD = "# A model of colours\n\nIt tells three colours apart.\n"
METRICS = {"test_images": 40.0, "test_accuracy": 0.75, "test_macro_f1": 0.5}


def finished_run(folder: Path, *, card: str = CARD, subject: str | None = None) -> bytes:
    """Record it; gives the artifact. ``subject`` is the digest that the report names, by default the artifact's."""
    artifact = tiny_artifact()
    record = RunRecord(folder, "colours", {}, {})
    record.artifact(("model.pt", artifact))
    report = {"model": {"sha256": subject or digest(artifact)}, "metrics": METRICS, "tags": {}}
    record.artifact(("report.json", json.dumps(report).encode()))
    record.artifact(("card.md", card.encode()))
    record.finish("FINISHED")
    return artifact
