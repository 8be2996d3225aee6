"""Calibrations of an artifact compared on its validation split."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import training.models
from cosmoformer.models import artifact
from cosmoformer.models.bundled import bundle
from tests.training.galaxies import CLEAN5, small_catalogue
from tests.training.toy import add_toy_model, toy_artifact
from training import evaluate_calibration
from training.data.splits import open_splits
from training.evaluate import evaluate
from training.evaluation.calibrations import CALIBRATIONS

SIDE = 16
SPLITS = ("val", "test")


@pytest.fixture
def galaxies(tmp_path: Path) -> Iterator[Path]:
    """A folder with galaxies and an artifact."""
    models = add_toy_model(tmp_path / "models")
    small_catalogue(tmp_path / "data", per_class=48)
    val = open_splits(CLEAN5, tmp_path / "data", tmp_path / "cache", SIDE, ("val",))["val"]
    (tmp_path / "model.pt").write_bytes(toy_artifact(CLEAN5, val, "run"))
    yield tmp_path
    training.models.__path__.remove(models)


def compared(galaxies: Path, model: Path) -> int:
    paths = {"artifact": model, "data": galaxies / "data", "cache": galaxies / "cache", "out": galaxies / "found.json"}
    return evaluate_calibration.main([word for name, path in paths.items() for word in (f"--{name}", str(path))])


def test_an_artifact_is_asked_on_both_splits(galaxies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Calibrations are compared on the one split; each split has the calibration error that it has in a report, and a floor."""
    model = galaxies / "model.pt"
    assert compared(galaxies, model) == 0
    record = json.loads((galaxies / "found.json").read_text())
    assert [one["name"] for one in record["calibrations"]] == [kind.name for kind in CALIBRATIONS]
    caches = open_splits(CLEAN5, galaxies / "data", galaxies / "cache", SIDE, SPLITS)
    for split, cache in caches.items():
        figures = evaluate(artifact.load(model.read_bytes()), cache, split=split).figures
        found = record["floors"][split]
        assert found["measured"] == pytest.approx(figures["calibration_error"], abs=1e-5)
        assert found["interval"]["low"] <= found["mean"] <= found["interval"]["high"]
        assert (record["images"][split], record["sets"][split]) == (len(cache.labels), cache.version)
    assert "Calibrations, cross-validated on 60 galaxies of the val split" in capsys.readouterr().out


def test_an_artifact_without_classes_has_nothing_to_calibrate(
    galaxies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says so."""
    (galaxies / "inclination.pt").write_bytes(bundle("inclination").artifact)
    assert compared(galaxies, galaxies / "inclination.pt") == 1
    assert "gives no classes: there is nothing to calibrate" in capsys.readouterr().err
