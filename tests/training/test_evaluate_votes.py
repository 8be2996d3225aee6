"""Votes measured on galaxies with and without a class."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch

import training.models
from cosmoformer.models import artifact
from tests.training.galaxies import CLEAN5, small_catalogue
from tests.training.toy import add_toy_model
from training import evaluate_votes, export
from training.data.splits import open_splits
from training.evaluate import evaluate
from training.evaluate_votes import VoteRecord
from training.loop.recipe import Recipe

SIDE = 16
UNDECIDED = 3  # of the test split's galaxies, each with every vote


@pytest.fixture(scope="module")
def galaxies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with galaxies that have votes, some of them without a class, and artifacts that tell votes and that do not."""
    folder = tmp_path_factory.mktemp("votes")
    models = add_toy_model(folder / "models")
    data = small_catalogue(folder / "data", per_class=12, votes=True)
    (file,) = data.glob("*.parquet")
    table = pd.read_parquet(file)
    voted = table[table["split"].eq("test") & table[list(CLEAN5.targets)].notna().all(axis=1)]
    table.loc[voted.index[:UNDECIDED], "clean5"] = None
    table.to_parquet(file)
    val = open_splits(CLEAN5, data, folder / "cache", SIDE, ("val",))["val"]
    torch.manual_seed(0)
    weights = training.models.find("toy").build(CLEAN5.outputs, SIDE).state_dict()
    for name, weight in {"joint": 1.0, "classes": 0.0}.items():
        recipe = Recipe(model="toy", image_size=SIDE, target_weight=weight)
        (folder / f"{name}.pt").write_bytes(export.export(weights, recipe, CLEAN5, val, "run", "data"))
    yield folder
    training.models.__path__.remove(models)


def measured(galaxies: Path, *more: str, name: str = "joint") -> int:
    paths = {"artifact": galaxies / f"{name}.pt", "data": galaxies / "data", "cache": galaxies / "cache"}
    return evaluate_votes.main(
        [word for option, path in paths.items() for word in (f"--{option}", str(path))] + [*more]
    )


def test_galaxies_without_a_class_are_measured_too(galaxies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All galaxies with votes, those with a class as `training.evaluate` has them, and the others; recorded and drawn."""
    out = galaxies / "out"
    assert measured(galaxies, "--out", str(out)) == 0
    record = VoteRecord.of(json.loads((out / "votes.json").read_text()))
    model = artifact.load((galaxies / "joint.pt").read_bytes())
    report = evaluate(model, open_splits(CLEAN5, galaxies / "data", galaxies / "cache", SIDE, ("test",))["test"])
    assert record.with_class and record.without_class and report.votes
    assert record.with_class.rmse == pytest.approx(report.votes.rmse, abs=2e-5)
    assert record.with_class.images == report.votes.images and record.without_class.images == UNDECIDED
    parts = (record.with_class, record.without_class)
    assert record.all.images == sum(part.images for part in parts)
    assert record.all.images * record.all.rmse**2 == pytest.approx(sum(p.images * p.rmse**2 for p in parts), rel=1e-3)
    assert (record.sha256, record.split) == (model.sha256, "test")
    assert (out / "votes.png").stat().st_size > 10_000
    assert f"{UNDECIDED} galaxies without a class of the test split: RMSE" in capsys.readouterr().out


def test_a_model_without_votes_is_told_apart(galaxies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing to measure, and the message says so."""
    assert measured(galaxies, name="classes") == 1
    assert "the artifact tells no votes" in capsys.readouterr().err


def test_galaxies_without_votes_are_told_apart(galaxies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no galaxy of the split has every vote, the message names the split."""
    small_catalogue(galaxies / "unvoted")
    assert measured(galaxies, "--data", str(galaxies / "unvoted")) == 1
    assert "no galaxy of the test split" in capsys.readouterr().err
