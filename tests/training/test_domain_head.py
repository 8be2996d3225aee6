"""The score of what is no galaxy for a model that is trained: what is learned from, what stays, and how it is measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch

import training.models
from cosmoformer.models import artifact
from tests.training.galaxies import CLEAN5, picture, small_catalogue
from tests.training.toy import add_toy_model
from training import domain_head, export, votes_head
from training.data.splits import open_splits
from training.evaluate import card, evaluate, open_split
from training.evaluation import report as reports
from training.evaluation.strangers import KINDS
from training.heads.last_layer import task_of
from training.loop.recipe import Recipe

SIDE = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Rendered galaxies with votes in ``data``, and ``before.pt``, an artifact that tells classes and votes."""
    folder = tmp_path_factory.mktemp("domain")
    models = add_toy_model(folder / "models")
    data = small_catalogue(folder / "data", per_class=12, votes=True)
    val = open_splits(CLEAN5, data, folder / "cache", SIDE, ("val",))["val"]
    torch.manual_seed(0)
    weights = training.models.find("toy").build(CLEAN5.outputs, SIDE).state_dict()
    recipe = Recipe(model="toy", image_size=SIDE, target_weight=1.0)
    (folder / "before.pt").write_bytes(export.export(weights, recipe, CLEAN5, val, "run", "data"))
    yield folder
    training.models.__path__.remove(models)


def words(folder: Path, before: str, out: str, *more: str) -> list[str]:
    options = {"artifact": folder / before, "data": folder / "data", "cache": folder / "cache", "out": folder / out}
    named = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [*named, "--model", "toy", *more]


@pytest.fixture(scope="module")
def taught(folder: Path) -> Path:
    """``after.pt`` beside the record of how it was made, with galaxies of another survey."""
    galaxies = [picture("barred_spiral", seed, size=40) for seed in range(8)]
    table = pd.DataFrame({"image": galaxies, "split": ["train"] * 5 + ["val", "test", "test"]})
    table[:6].to_parquet(folder / "deep-one.parquet")
    hub = table[6:].assign(image=[{"bytes": image, "path": None} for image in table["image"][6:]])
    hub.to_parquet(folder / "deep-two.parquet")
    others = ["--others", str(folder / "deep-one.parquet"), str(folder / "deep-two.parquet")]
    few = ["--pictures", "60", "--galaxies", "20", "--record", str(folder / "record.json")]
    assert domain_head.main(words(folder, "before.pt", "after.pt", *others, *few)) == 0
    return folder


def test_the_score_is_added_and_all_else_stays(taught: Path) -> None:
    """Classes and votes are the same, bit for bit, whatever the number of images; the last value is the score."""
    old, new = (artifact.load((taught / name).read_bytes()) for name in ("before.pt", "after.pt"))
    assert new.metadata.names == (*old.metadata.names, "in_domain")
    images = torch.randint(0, 256, (4, 3, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for count in (1, 4):
        assert torch.equal(old.predict(images[:count]), new.predict(images[:count])[:, :-1])


def test_the_record_tells_what_is_flagged(taught: Path) -> None:
    """Of galaxies, of other generators' pictures by kind, of rendered ones, and of the other survey's half that was kept."""
    record = json.loads((taught / "record.json").read_text())
    assert record["sha256"] == artifact.digest((taught / "after.pt").read_bytes())
    assert record["from"] == artifact.digest((taught / "before.pt").read_bytes())
    assert record["learned_from"] == {"deep": 5}
    assert [(one["name"], one["pictures"]) for one in record["surveys"]] == [("deep", 3)]
    assert [one["name"] for one in record["test"]["strangers"]] == list(KINDS)
    assert record["test"]["galaxies"]["pictures"] == 15 and len(record["rendered"]) == 10


def test_it_is_evaluated_with_the_classes(taught: Path) -> None:
    """The report has the shares by kind, flat ones for the registry, and survives its file; the description tells them."""
    model = artifact.load((taught / "after.pt").read_bytes())
    report = evaluate(model, open_split(model, taught / "data", taught / "cache"))
    record = json.loads((taught / "record.json").read_text())
    assert report.domain and report.metrics["test_flagged_galaxies"] == record["test"]["galaxies"]["share"]
    assert report.metrics["test_flagged_strangers"] == report.domain.strangers_share
    (taught / "report.json").write_text(report.to_json())
    assert reports.read(taught / "report.json") == report
    assert f"{report.domain.strangers_share:.1%} of other pictures" in card(report)["description"]


def test_votes_and_score_are_taught_in_any_order(taught: Path) -> None:
    """Who teaches the votes anew keeps the score, bit for bit; who teaches the score anew replaces it."""
    assert votes_head.main(words(taught, "after.pt", "voted.pt", "--epochs", "2", "--learning-rate", "0.05")) == 0
    few = ("--pictures", "40", "--galaxies", "20")
    assert domain_head.main(words(taught, "voted.pt", "again.pt", *few)) == 0
    after, voted, again = (artifact.load((taught / f"{name}.pt").read_bytes()) for name in ("after", "voted", "again"))
    assert after.metadata == voted.metadata == again.metadata
    images = torch.randint(0, 256, (4, 3, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    first, second, third = (model.predict(images) for model in (after, voted, again))
    assert torch.equal(first[:, -1], second[:, -1]) and not torch.equal(first[:, 5:-1], second[:, 5:-1])
    assert torch.equal(second[:, :-1], third[:, :-1]) and not torch.equal(second[:, -1], third[:, -1])


def test_an_artifact_of_several_views_learns_both(folder: Path) -> None:
    """Its mean over views stays what it is, bit for bit; what is learned is told over as many."""
    val = open_splits(CLEAN5, folder / "data", folder / "cache", SIDE, ("val",))["val"]
    torch.manual_seed(0)
    weights = training.models.find("toy").build(CLEAN5.outputs, SIDE).state_dict()
    recipe = Recipe(model="toy", image_size=SIDE, views=4)
    content = export.export(weights, recipe, CLEAN5.seen_from(4), val, "run", "data")
    (folder / "views.pt").write_bytes(content)
    assert domain_head.main(words(folder, "views.pt", "scored.pt", "--pictures", "40", "--galaxies", "20")) == 0
    assert votes_head.main(words(folder, "scored.pt", "both.pt", "--epochs", "2")) == 0
    before, after = artifact.load(content), artifact.load((folder / "both.pt").read_bytes())
    images = torch.randint(0, 256, (4, 3, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    told = after.predict(images)
    assert torch.equal(before.predict(images), told[:, :5])
    assert task_of(after).views == 4
    assert torch.allclose(after.predict(images.rot90(2, [2, 3])), told, atol=1e-4)  # one of the views


def test_what_cannot_be_taught_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another model's artifact, and a file of another survey without images, end the command with what is wrong."""
    pd.DataFrame({"uid": [1]}).to_parquet(folder / "bare.parquet")
    assert domain_head.main(words(folder, "before.pt", "x.pt", "--others", str(folder / "bare.parquet"))) == 1
    assert "has no column image, but uid" in capsys.readouterr().err
    assert domain_head.main([*words(folder, "before.pt", "x.pt"), "--model", "toy_with_statistics"]) == 1
    assert "error:" in capsys.readouterr().err and not (folder / "x.pt").exists()
