"""The Galaxy Zoo Challenge from end to end: a model of vote fractions alone is trained, measured, served and submitted."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch

from cosmoformer.models import artifact
from cosmoformer.models.registry import ModelVersion
from cosmoformer.storage.facts import ImageFacts, Origin
from cosmoformer.storage.result_shape import schema
from cosmoformer.votes.fractions import to_cumulative
from cosmoformer.votes.tree import GZ2
from functions.classify import predictor
from tests.training.galaxies import picture, small_catalogue
from training import compare, evaluate, export, submission, train
from training.data.splits import open_splits
from training.evaluation import report as reports
from training.evaluation.inference import outputs
from training.loop import recipe
from training.tasks import TASKS

PLACE = ("--device", "cpu", "--threads", "1")
SMALL = {"image_size": 32, "epochs": 1, "batch_size": 4, "views": 2, "augmentation": "none"}


def words(data: Path, out: Path, *options: str, **changes: object) -> list[str]:
    sets = [word for name, value in changes.items() for word in ("--set", f"{name}={value}")]
    return ["--data", str(data), "--out", str(out), "--cache", str(data / "cache"), *PLACE, *options, *sets]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_catalogue(tmp_path_factory.mktemp("data"), votes=True)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of the baseline, at a tiny side."""
    out = tmp_path_factory.mktemp("runs") / "baseline"
    assert train.main(words(data, out, "--recipe", "challenge-cnn", **SMALL)) == 0
    return out


def test_a_run_of_fractions_is_measured_and_recorded(run: Path) -> None:
    """Its report has the error of all fractions with an interval, accuracy by question, the time of a prediction; no classes."""
    found = reports.read(run / "artifacts" / "report.json")
    assert (found.classes, found.model.classes, found.sample) == ((), (), "gz2_votes")
    assert found.votes is not None and found.votes.rmse_low is not None and found.votes.rmse_high is not None
    assert found.votes.rmse_low <= found.votes.rmse <= found.votes.rmse_high
    assert len(found.votes.questions) == 11 and all(one.accuracy is not None for one in found.votes.questions)
    assert found.prediction_ms and found.prediction_ms > 0
    assert "held_out_set" not in found.tags
    lines = [json.loads(line)["metrics"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert any("test_rmse" in line for line in lines) and any("test_votes_rmse" in line for line in lines)
    card = (run / "artifacts" / "card.md").read_text()
    assert "The question told worst" in card and "It tells how volunteers would answer the 11 questions" in card
    assert (run / "artifacts" / "pictures" / "votes.png").exists()
    with (run / "artifacts" / "predictions.csv").open() as file:
        heading, *rows = csv.reader(file)
    assert heading == ["uid", *GZ2.labels] and len(rows) == found.conditions.images


def test_a_model_of_fractions_is_served(run: Path) -> None:
    """The classify function's predictor makes a valid result of it: votes question by question, and no class."""
    model = artifact.load((run / "artifacts" / "model.pt").read_bytes())
    assert model.metadata.told == "vote fractions"
    pixels = np.random.default_rng(0).integers(0, 256, (424, 424, 3), np.uint8)
    given = predictor.predict(model, predictor.preprocess(pixels))
    version = ModelVersion("votes", 1, "", "mlflow-artifacts:/m", model.sha256)
    image, origin = ImageFacts(None, None, None, 3, None), Origin(None, None, None, datetime.now(UTC))
    limits = {"unsure_below": 0.7, "no_galaxy_below": 0.5}
    result = predictor.classification(image, given, model, version, origin, **limits)
    jsonschema.validate(json.loads(json.dumps(result)), schema())
    prediction = result["prediction"]
    assert "class" not in prediction and set(prediction["votes"]) == set(GZ2.names)
    assert sum(prediction["votes"]["bar"]["fractions"].values()) == pytest.approx(1, abs=1e-3)


def test_an_artifact_may_look_from_more_sides(run: Path, data: Path, tmp_path: Path) -> None:
    """Exported again from the checkpoint with other views, it gives their mean; one view alone is what the model says."""
    task = TASKS["gz2_votes"]
    images = open_splits(task, data, data / "cache", 32, ("test",))["test"].images(slice(4))
    told = {}
    for count in (1, 4):
        out = tmp_path / f"{count}.pt"
        options = ["--checkpoint", str(run / "checkpoint.pt"), "--data", str(data), "--cache", str(data / "cache")]
        assert export.main([*options, "--views", str(count), "--out", str(out)]) == 0
        told[count] = artifact.load(out.read_bytes()).module
    with torch.inference_mode():
        sides = [torch.rot90(side, 2 * turn, (2, 3)) for side in (images, images.flip(3)) for turn in (0, 1)]
        mean = torch.stack([told[1].cropped(side) for side in sides]).mean(dim=0)
        assert torch.allclose(told[4].cropped(images), mean, atol=1e-5)
        assert not torch.allclose(told[1].cropped(images), mean, atol=1e-5)


def test_a_submission_has_a_row_for_each_image(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Kaggle's heading, the images by their GalaxyIDs, and cumulative fractions that agree with the decision tree."""
    images, out = tmp_path / "images", tmp_path / "submission.csv"
    images.mkdir()
    for seed, name in enumerate(("200001", "100008", "999")):
        (images / f"{name}.jpg").write_bytes(picture("two_armed_spiral", seed, "jpg"))
    (images / "notes.txt").write_text("no image")
    command = ["--artifact", str(run / "artifacts" / "model.pt"), "--images", str(images), "--out", str(out)]
    assert submission.main(command) == 0
    heading, *rows = list(csv.reader(out.read_text().splitlines()))
    assert heading == ["GalaxyID", *GZ2.challenge_columns] and heading[-1] == "Class11.6"
    assert [row[0] for row in rows] == ["100008", "200001", "999"]
    fractions = np.array([row[1:] for row in rows], np.float64)
    assert np.allclose(fractions[:, :3].sum(axis=1), 1, atol=1e-5)
    assert np.allclose(
        fractions[:, 3:5].sum(axis=1), fractions[:, 1], atol=1e-5
    )  # an edge-on disc? of those with features
    model = artifact.load((run / "artifacts" / "model.pt").read_bytes())
    pixels = predictor.decode((images / "999.jpg").read_bytes(), submission.LIMITS).pixels
    alone = to_cumulative(GZ2, model.predict(predictor.preprocess(pixels)).double().numpy())
    assert np.allclose(fractions[2], alone[0], atol=1e-5)
    assert submission.main([*command, "--views", "4"]) == 0
    assert not np.allclose(
        np.array([row[1:] for row in list(csv.reader(out.read_text().splitlines()))[1:]], float), fractions
    )
    (images / "5.jpg").write_bytes(b"no picture")
    assert submission.main(command) == 1
    assert "5.jpg cannot be judged, and a submission needs every galaxy" in capsys.readouterr().err


def test_a_submission_needs_all_fractions_and_an_image(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder without images, and a model of classes alone, are refused with what was expected."""
    command = [
        "--artifact",
        str(run / "artifacts" / "model.pt"),
        "--images",
        str(tmp_path),
        "--out",
        str(tmp_path / "s"),
    ]
    assert submission.main(command) == 1
    assert "expected images named by their GalaxyID" in capsys.readouterr().err


def test_a_run_is_a_row_of_its_tasks_table(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the published scores: parameters, what it began from, side, epochs, error with interval, time."""
    assert compare.main(["--task", "gz2_votes", "--run", str(run)]) == 0
    printed = capsys.readouterr().out
    found = reports.read(run / "artifacts" / "report.json")
    assert found.votes is not None
    (row,) = (line for line in printed.splitlines() if "baseline_cnn, run gz2_votes-baseline_cnn-baseline" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:6] == [f"{found.model.parameters:,}", "none", "32", "1", f"{found.votes.rmse:.4f}"]
    assert "0.07742" in printed and "ResNet-26" not in printed


def test_votes_are_measured_with_views(run: Path, data: Path, tmp_path: Path) -> None:
    """An evaluation says what the error is with one view and with several, and refuses images that have nothing to compare."""
    out = tmp_path / "evaluation"
    options = ["--artifact", str(run / "artifacts" / "model.pt"), "--data", str(data), "--cache", str(data / "cache")]
    assert evaluate.main([*options, "--views", "4", "--out", str(out)]) == 0
    found = reports.read(out / "report.json")
    assert found.views is not None and found.views.gain is None
    assert found.votes is not None and found.views.without == {"votes_rmse": found.votes.rmse}
    assert found.views.with_views["votes_rmse"] != found.votes.rmse
    assert evaluate.main([*options, "--task", "galaxy10"]) == 1


@pytest.mark.parametrize("name", ["challenge-foundation", "challenge-notebook", "challenge-frozen"])
def test_the_other_recipes_run(name: str, data: Path, tmp_path: Path) -> None:
    """Each comes to an artifact of fractions on a handful of galaxies, with a small backbone in place of a large one."""
    changes: dict[str, object] = {"image_size": 32, "epochs": 1, "batch_size": 4, "views": 1}
    if recipe.load(name).model.startswith("timm/"):
        changes |= {"model": "timm/test_efficientnet"}
    else:
        changes |= {"trials": 2}
    assert train.main(words(data, tmp_path / "out", "--recipe", name, **changes)) == 0
    model = artifact.load((tmp_path / "out" / "artifacts" / "model.pt").read_bytes())
    assert model.metadata.names == GZ2.labels
    told = json.loads((tmp_path / "out" / "run.json").read_text())["params"]["initial_weights"]
    assert told.startswith("fresh: the best of 2 draws" if name == "challenge-notebook" else "fresh")


def test_a_joint_model_is_measured_on_the_challenges_galaxies(data: Path, tmp_path: Path) -> None:
    """Votes of a model that has classes too are measured on the galaxies that a model of votes alone is measured on."""
    out = tmp_path / "joint"
    small = {"model": "timm/test_efficientnet", "image_size": 32, "epochs": 1, "batch_size": 4, "target_weight": 1.0}
    assert train.main(words(data, out, "--recipe", "teacher", **small)) == 0
    options = ["--artifact", str(out / "artifacts" / "model.pt"), "--data", str(data), "--cache", str(data / "cache")]
    assert evaluate.main([*options, "--task", "gz2_votes", "--out", str(tmp_path / "found")]) == 0
    found = reports.read(tmp_path / "found" / "report.json")
    assert (found.sample, found.model.task, found.classes) == ("gz2_votes", "clean5", ())
    model = artifact.load((out / "artifacts" / "model.pt").read_bytes())
    test = open_splits(TASKS["gz2_votes"].looking_at(model.metadata.crop), data, data / "cache", 32, ("test",))["test"]
    told = to_cumulative(GZ2, outputs(model, test)[:, 5:])
    assert found.votes is not None
    assert found.votes.rmse == pytest.approx(np.sqrt(((told - test.targets) ** 2).mean()), abs=1e-4)
