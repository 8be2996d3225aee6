"""Votes for a model that has classes: what is learned, what stays, and how it is measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import training.models
from cosmoformer.models import artifact
from cosmoformer.models.prediction import predict
from cosmoformer.votes.tree import GZ2
from tests.training.galaxies import CLEAN5, LOOK_ALIKES, small_catalogue
from tests.training.toy import add_toy_model
from training import export, votes_head
from training.data.splits import open_splits
from training.evaluate import evaluate, write
from training.evaluation import report as reports
from training.evaluation.inference import outputs
from training.evaluation.votes import vote_figures
from training.loop.recipe import Recipe

SIDE = 16


@pytest.fixture(scope="module")
def galaxies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Rendered galaxies whose volunteers all answered by the look: a cigar is smooth, a spiral has features and no artifact."""
    folder = tmp_path_factory.mktemp("votes")
    models = add_toy_model(folder / "models")
    data = small_catalogue(folder / "data", per_class=12, votes=True)
    (file,) = data.glob("*.parquet")
    table = pd.read_parquet(file)
    smooth = table["clean5"].str.endswith("smooth")
    table[list(CLEAN5.targets)] = 0.0
    table["Class1.1"], table["Class1.2"] = smooth * 0.9 + 0.05, ~smooth * 0.9 + 0.05
    table["Class7.1"], table["Class2.2"], table["Class6.2"] = table["Class1.1"], table["Class1.2"], 1.0
    table["Class3.2"] = table["Class4.2"] = table["Class5.2"] = table["Class1.2"]
    table.loc[table.index[:1], "Class8.1"] = float("nan")
    table.to_parquet(file)
    yield folder
    training.models.__path__.remove(models)


@pytest.fixture(scope="module")
def before(galaxies: Path) -> Path:
    """An artifact of the classes alone, of a model that nobody taught anything."""
    val = open_splits(CLEAN5, galaxies / "data", galaxies / "cache", SIDE, ("val",))["val"]
    torch.manual_seed(0)
    weights = training.models.find("toy").build(CLEAN5.outputs, SIDE).state_dict()
    content = export.export(
        weights, Recipe(model="toy", image_size=SIDE, target_weight=0.0), CLEAN5, val, "run", "data"
    )
    path = galaxies / "before.pt"
    path.write_bytes(content)
    return path


def test_a_run_that_taught_votes_exports_them(galaxies: Path) -> None:
    """Where the recipe gives the votes a weight, the artifact tells classes and all 37 fractions; else the classes alone."""
    val = open_splits(CLEAN5, galaxies / "data", galaxies / "cache", SIDE, ("val",))["val"]
    weights = training.models.find("toy").build(CLEAN5.outputs, SIDE).state_dict()
    recipe = Recipe(model="toy", image_size=SIDE, target_weight=1.0)
    joint = artifact.load(export.export(weights, recipe, CLEAN5, val, "run", "data"))
    assert joint.metadata.names == (*CLEAN5.classes, *GZ2.labels)
    shares = joint.predict(val.images(slice(3)))[:, 5:]
    sums = [part.sum(dim=1) for part in shares.split([len(question.answers) for question in GZ2.questions], dim=1)]
    assert torch.allclose(torch.stack(sums), torch.ones(11, 3), atol=1e-5)


def test_votes_are_learned_and_classes_stay(galaxies: Path, before: Path) -> None:
    """The artifact gives the very same classes, and votes that are nearer to the volunteers' than before; its record says so."""
    out, record = galaxies / "after.pt", galaxies / "votes.json"
    status = votes_head.main(
        [
            *("--artifact", str(before), "--data", str(galaxies / "data"), "--cache", str(galaxies / "cache")),
            *("--out", str(out), "--record", str(record), "--model", "toy", "--epochs", "40", "--learning-rate", "0.05"),
        ]
    )  # fmt: skip
    assert status == 0
    old, new = artifact.load(before.read_bytes()), artifact.load(out.read_bytes())
    assert (old.metadata.told, new.metadata.told) == ("probabilities", "probabilities and vote fractions")
    images = torch.randint(0, 256, (4, 3, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(old.predict(images), new.predict(images)[:, :5])
    assert set(predict(new, images[:1])) == {*CLEAN5.classes, *GZ2.labels}
    told = json.loads(record.read_text())
    assert told["sha256"] == new.sha256 and told["from"] == old.sha256
    test = open_splits(CLEAN5, galaxies / "data", galaxies / "cache", SIDE, ("test",))["test"]
    alike = np.concatenate([np.full(len(question.answers), 1 / len(question.answers)) for question in GZ2.questions])
    nothing_learned = vote_figures(GZ2, np.tile(alike, (len(test.labels), 1)), test.targets)
    assert told["test"]["rmse"] < 0.5 * nothing_learned.rmse


def test_votes_are_evaluated_with_the_classes(galaxies: Path, before: Path) -> None:
    """The report of an artifact with votes has their figures by question, flat ones for the registry, and a picture."""
    test_votes_are_learned_and_classes_stay(galaxies, before)
    model = artifact.load((galaxies / "after.pt").read_bytes())
    cache = open_splits(CLEAN5, galaxies / "data", galaxies / "cache", SIDE, ("test",))["test"]
    predictions = outputs(model, cache)
    report = evaluate(model, cache, predictions)
    assert report.votes and report.votes.images == len(cache.labels)
    assert report.metrics["test_votes_rmse"] == report.votes.rmse
    assert report.metrics["test_votes_calibration_error_bar"] == report.votes.questions[2].calibration_error
    write(galaxies / "report", report, cache, predictions)
    assert reports.read(galaxies / "report/report.json") == report
    assert (galaxies / "report/pictures/votes.png").stat().st_size > 10_000
    without = evaluate(artifact.load(before.read_bytes()), cache)
    assert without.votes is None and without.metrics["test_accuracy"] == report.metrics["test_accuracy"]


def test_a_task_without_a_tree_has_no_votes_to_learn(
    galaxies: Path, before: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What has no decision tree is told apart before anything is computed."""
    model = artifact.load(before.read_bytes())
    assert model.metadata.classes == tuple(LOOK_ALIKES.values())
    own = galaxies / "own.pt"
    own.write_bytes(before.read_bytes().replace(b'"task": "clean5"', b'"task": "gz2"   '))
    assert (
        votes_head.main(["--artifact", str(own), "--data", "d", "--out", str(galaxies / "x.pt"), "--model", "toy"]) == 1
    )
    assert "the task 'gz2' has no decision tree" in capsys.readouterr().err
