"""Inclinations from end to end: a catalogue is rendered, a model learns from it, is measured, compared and served."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

from cosmoformer.models import artifact
from cosmoformer.models.registry import ModelVersion
from cosmoformer.render.catalogue import write_catalogue
from cosmoformer.storage.headlines import headline
from cosmoformer.storage.result_shape import schema
from cosmoformer.storage.results import ImageFacts, Origin
from cosmoformer.storage.tables import columns, table_of, write_csv
from functions.classify import predictor
from training import compare, evaluate, evaluate_inclination, train
from training.evaluation import report as reports
from training.evaluation.comparison import EFIGI, RENDERED

SMALL = {"model": "timm/test_efficientnet", "image_size": 32, "epochs": 2, "batch_size": 8, "augmentation": "none"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty rendered galaxies."""
    folder = tmp_path_factory.mktemp("rendered")
    write_catalogue(folder / "inclination.parquet", 60, size=64)
    return folder


@pytest.fixture(scope="module")
def rated(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same galaxies with what people would say of them, as EFIGI's files have it."""
    folder = tmp_path_factory.mktemp("rated")
    table = pd.read_parquet(data / "inclination.parquet")
    quarters = np.rint(4 * (1 - np.cos(np.radians(table["inclination"])))) / 4
    rated = table[["uid", "split", "image"]].assign(efigi_inclination=quarters, efigi_T=3.0)
    rated.to_parquet(folder / "efigi-all.parquet")
    return folder


def words(data: Path, out: Path, *options: str, **changes: object) -> list[str]:
    sets = [word for name, value in changes.items() for word in ("--set", f"{name}={value}")]
    place = ("--cache", str(data / "cache"), "--device", "cpu", "--threads", "1")
    return ["--data", str(data), "--out", str(out), *place, *options, *sets]


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run on rendered galaxies."""
    out = tmp_path_factory.mktemp("runs") / "first"
    assert train.main(words(data, out, "--recipe", "inclination", **SMALL)) == 0
    return out


def model_of(run: Path) -> artifact.Artifact:
    return artifact.load((run / "artifacts" / "model.pt").read_bytes())


def test_a_run_is_measured_and_recorded(run: Path) -> None:
    """Its artifact says the unit and the range; report and card have errors, intervals and the share within the uncertainty."""
    facts = model_of(run).metadata
    assert facts.classes == () and facts.names == ("inclination", "inclination_error")
    assert facts.values[0].described() == "deg, 0 to 90" and facts.values[1].unit == "deg"
    found = reports.read(run / "artifacts" / "report.json")
    assert found.inclination is not None and found.inclination.angles is not None
    assert found.inclination.angles.images == found.conditions.images and found.inclination.quarters is None
    assert found.figures["inclination_within_68"] == found.inclination.angles.within_68.value  # type: ignore[union-attr]
    assert found.prediction_ms and found.views and "inclination_median_error" in found.views.with_views
    card = (run / "artifacts" / "card.md").read_text()
    assert "median error of inclinations, degrees" in card and "By true inclination" in card
    assert "was fitted on the\nvalidation split" in card
    with (run / "artifacts" / "predictions.csv").open() as file:
        heading, *rows = csv.reader(file)
    assert heading == ["uid", "inclination", "inclination_error"] and len(rows) == found.conditions.images


def test_a_model_of_inclinations_is_served(run: Path) -> None:
    """Its result is valid, has both numbers with their unit, and is one line and columns with units and UCDs."""
    model = model_of(run)
    pixels = np.random.default_rng(0).integers(0, 256, (424, 424, 3), np.uint8)
    given = predictor.predict(model, predictor.preprocess(pixels))
    version = ModelVersion("inclination", 1, "", "mlflow-artifacts:/m", model.sha256)
    image, origin = ImageFacts(None, None, None, 3, None), Origin(None, None, None, datetime.now(UTC))
    result = predictor.classification(image, given, model, version, origin, unsure_below=0.7, no_galaxy_below=0.5)
    jsonschema.validate(json.loads(json.dumps(result)), schema())
    prediction = result["prediction"]
    assert prediction is not None and set(prediction["values"]) == {"inclination", "inclination_error"}
    assert prediction["units"] == {"inclination": "deg", "inclination_error": "deg"}
    assert headline(prediction).startswith("inclination ") and " ± " in headline(prediction)
    found = {column.name: column for column in columns([result])}
    assert (found["value_inclination"].unit, found["value_inclination"].ucd) == ("deg", "src.morph.param")
    assert found["value_inclination_error"].ucd == "stat.error;src.morph.param"
    file = io.BytesIO()
    write_csv(table_of([result]), file)
    (row,) = csv.DictReader(io.StringIO(file.getvalue().decode()))
    assert float(row["value_inclination"]) == pytest.approx(prediction["values"]["inclination"])


def test_a_model_is_fitted_to_quarters(run: Path, rated: Path, tmp_path: Path) -> None:
    """A second run goes on from the first one's weights on what people said, and is measured against that."""
    options = ("--recipe", "inclination-efigi", "--init", str(run / "checkpoint.pt"))
    assert train.main(words(rated, tmp_path / "fitted", *options, **SMALL)) == 0
    found = reports.read(tmp_path / "fitted" / "artifacts" / "report.json")
    assert found.inclination is not None and found.inclination.angles is None
    assert found.inclination.quarters is not None and found.inclination.quarters.images == found.conditions.images
    assert model_of(tmp_path / "fitted").metadata.values == model_of(run).metadata.values


def test_a_run_is_a_row_of_the_table_of_what_it_was_measured_on(
    run: Path, rated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rendered galaxies and EFIGI's are two samples: errors in degrees, and shares in the same quarter."""
    rows = compare.row_of_run(run)
    assert [(row.sample, row.measure) for row in rows] == [(RENDERED, "Median error, degrees")]
    assert compare.main(["--run", str(run), "--task", "inclination"]) == 0
    assert RENDERED in capsys.readouterr().out
    options = ["--artifact", str(run / "artifacts" / "model.pt"), "--data", str(rated), "--cache", str(rated / "cache")]
    assert evaluate.main([*options, "--out", str(tmp_path)]) == 0
    row = compare.row_of(reports.read(tmp_path / "report.json"), None, None, "measured")
    assert row.sample == EFIGI and row.interval


def test_both_estimates_are_measured_on_the_same_galaxies(
    run: Path, data: Path, rated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Model and axis ratio side by side, for all galaxies and for each kind that is known to mislead."""
    options = ["--artifact", str(run / "artifacts" / "model.pt"), "--split", "train", "--workers", "2"]
    for folder in (data, rated):
        out = tmp_path / folder.name
        command = [*options, "--data", str(folder), "--cache", str(folder / "cache"), "--out", str(out)]
        assert evaluate_inclination.main(command) == 0
    printed = capsys.readouterr().out
    assert "median error" in printed and "thin disc, q0 below 0.14" in printed and "same quarter" in printed
    record = json.loads((tmp_path / data.name / "axis_ratio.json").read_text())
    everything = record["rows"][0]
    assert (everything["kind"], everything["images"]) == ("all", 48)
    both = [everything[name]["angles"]["images"] for name in ("model", "axis_ratio")]
    assert both[0] == both[1] == round(48 * everything["found"])
    kinds = {row["kind"] for row in json.loads((tmp_path / rated.name / "axis_ratio.json").read_text())["rows"]}
    assert kinds == {"all", "late spiral (T 3 to 8)"}
