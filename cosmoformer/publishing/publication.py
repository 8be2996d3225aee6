"""What is published of a model: its artifact, its card and its figures, taken from wherever the model is.

:mod:`cosmoformer.publishing.hub_files` makes files of it, :mod:`cosmoformer.publishing.hub` puts them on Hugging Face.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosmoformer.errors import PermanentError
from cosmoformer.models.artifact import Metadata, digest, read_metadata
from cosmoformer.models.bundled import bundle
from cosmoformer.models.promotion import download_checked
from cosmoformer.models.registry import ModelVersion, Registry
from cosmoformer.runs.files import RunFiles
from cosmoformer.runs.folder import ARTIFACTS, CARD_FILE, MODEL_FILE, REPORT_FILE, read_card, read_run, report_subject

_SPLITS = ("test", "val", "")  # whose figures are wanted, best first; a tag may name no split


@dataclass(frozen=True)
class Figures:
    """How well a model does.

    Attributes:
        split: what was measured: ``test``, ``val``, or empty where nobody said.
        accuracy: fraction of its galaxies that were classified right.
        macro_f1: unweighted mean of the classes' F1; None where it is not known.
    """

    split: str
    accuracy: float
    macro_f1: float | None


@dataclass(frozen=True)
class Publication:
    """A model, ready to be published.

    Attributes:
        origin: where it was taken from, in words.
        artifact: the TorchScript file's content.
        metadata: the metadata inside the artifact.
        card: Markdown; empty where there is none.
        report: ``report.json`` of its evaluation; None where there is none of this artifact.
        figures: None where none are known.
    """

    origin: str
    artifact: bytes
    metadata: Metadata
    card: str
    report: bytes | None
    figures: Figures | None

    @property
    def sha256(self) -> str:
        """The artifact's digest, in hexadecimal."""
        return digest(self.artifact)


def of_version(registry: Registry, version: ModelVersion) -> Publication:
    """A registered version.

    The card is the version's description. Where MLflow had no room for all of it, or it is empty, the card is the whole one
    among the run's artifacts. Report and figures are the run's; the version's tags give figures where the run has none. What the
    run has of another artifact than the version's is left out.

    Raises:
        ModelRefused: the artifact is none, or is not the one that was registered.
        RegistryUnavailable: MLflow does not answer, or has lost the artifact.
    """
    artifact = download_checked(registry, version)
    about = registry.get("model-versions/get", name=version.name, version=version.version)["model_version"]
    card, report = str(about.get("description", "")), None
    known: dict[str, Any] = dict(version.tags)
    if version.run_id:
        run = registry.get("runs/get", run_id=version.run_id)["run"]
        files = RunFiles(registry, run)
        report = files.read(REPORT_FILE)
        if report is None:
            known |= {metric["key"]: metric["value"] for metric in run["data"].get("metrics", [])}
        elif report_subject(report) == version.sha256:
            known |= _metrics(report)
            card = _whole(card, (files.read(CARD_FILE) or b"").decode(errors="replace"))
        else:
            report = None
    shipped = bundle(version.name)
    if version.sha256 == digest(shipped.artifact) and card == shipped.words["description"]:
        card = shipped.card
    origin = f"{version.name} version {version.version}"
    return Publication(origin, artifact, read_metadata(artifact), card, report, _figures(known))


def of_run(folder: Path) -> Publication:
    """The model that a training run exported, from the run's folder.

    Raises:
        PermanentError: the folder is no run's, the run has exported no model, or its report is of another artifact.
        ModelRefused: its ``model.pt`` is no artifact.
    """
    info = read_run(folder)
    try:
        artifact = (folder / ARTIFACTS / MODEL_FILE).read_bytes()
    except FileNotFoundError as error:
        raise PermanentError(
            f"there is nothing to publish: {error.filename} is missing", "Let the training finish"
        ) from None
    place = folder / ARTIFACTS / REPORT_FILE
    report = place.read_bytes() if place.exists() else None
    if report is not None and report_subject(report) != digest(artifact):
        raise PermanentError(
            f"{place} is no report of {MODEL_FILE} beside it",
            "Evaluate that again (python -m training.evaluate), or take the report away",
        )
    figures = _figures(_metrics(report)) if report is not None else None
    return Publication(f"run {info.run}", artifact, read_metadata(artifact), read_card(folder), report, figures)


def of_bundled(name: str = "") -> Publication:
    """The model that comes with the package under a name (:func:`cosmoformer.models.bundled.bundle`)."""
    shipped = bundle(name)
    artifact, figures = shipped.artifact, _figures(shipped.words["metrics"])
    return Publication("the bundled model", artifact, read_metadata(artifact), shipped.card, None, figures)


def _whole(description: str, card: str) -> str:
    """The card, if the description is nothing but its beginning; else the description, which somebody wrote."""
    return card if card.startswith(description.rstrip()) else description


def _metrics(report: bytes) -> dict[str, Any]:
    found = json.loads(report).get("metrics")
    return found if isinstance(found, dict) else {}


def _figures(known: Mapping[str, Any]) -> Figures | None:
    """Figures by the names of a report's ``metrics``: ``test_accuracy``, ``test_macro_f1``."""
    for split in _SPLITS:
        prefix = f"{split}_" if split else ""
        if (accuracy := _fraction(known.get(f"{prefix}accuracy"))) is not None:
            return Figures(split, accuracy, _fraction(known.get(f"{prefix}macro_f1")))
    return None


def _fraction(value: Any) -> float | None:
    """A number from 0 to 1; None for all else, since anybody may write a tag."""
    try:
        number = float(value)
    except (ValueError, TypeError):
        return None
    return number if math.isfinite(number) and 0 <= number <= 1 else None
