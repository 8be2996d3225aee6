"""Two artifacts measured on the same galaxies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import training.models
from cosmoformer.models import artifact
from tests.training.colours import colour_artifact, colour_catalogue
from tests.training.galaxies import CLEAN5, small_catalogue
from tests.training.toy import add_toy_model, toy_artifact
from training import evaluate_pair
from training.data.splits import open_splits
from training.evaluate import evaluate
from training.tasks import TASKS

RUNS = Path(evaluate_pair.__file__).with_name("runs")
SIDE = 16
SHARES = TASKS["clean5_votes"]


@pytest.fixture(scope="module")
def galaxies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with galaxies that have votes, and artifacts that learned 37 fractions, five shares and colours."""
    folder = tmp_path_factory.mktemp("pairs")
    models = add_toy_model(folder / "models")
    small_catalogue(folder / "data", per_class=48, votes=True)
    val = open_splits(CLEAN5, folder / "data", folder / "cache", SIDE, ("val",))["val"]
    for seed, (name, task) in enumerate({"votes": CLEAN5, "shares": SHARES}.items()):
        (folder / f"{name}.pt").write_bytes(toy_artifact(task, val, name, seed))
    (folder / "colours.pt").write_bytes(colour_artifact())
    yield folder
    training.models.__path__.remove(models)


def paired(galaxies: Path, *more: str, second: str = "shares") -> int:
    files = [str(galaxies / f"{name}.pt") for name in ("votes", second)]
    places = ["--data", str(galaxies / "data"), "--cache", str(galaxies / "cache")]
    return evaluate_pair.main(["--artifacts", *files, *places, *more])


def test_two_artifacts_are_measured_on_the_same_galaxies(galaxies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Figures are those that each has alone; shares of votes are told by votes where an artifact tells any."""
    assert paired(galaxies, "--task", "clean5_votes", "--out", str(galaxies / "pair.json")) == 0
    record = json.loads((galaxies / "pair.json").read_text())
    assert (record["runs"], record["split"]) == (["votes", "shares"], "val")
    found = {one["name"]: one for one in record["differences"]}
    val = open_splits(CLEAN5, galaxies / "data", galaxies / "cache", SIDE, ("val",))["val"]
    for side, name in {"first": "votes", "second": "shares"}.items():
        alone = evaluate(artifact.load((galaxies / f"{name}.pt").read_bytes()), val, split="val").figures
        assert found["accuracy"][side] == pytest.approx(alone["accuracy"], abs=1e-5)
        assert found["macro F1"][side] == pytest.approx(alone["macro_f1"], abs=1e-5)
        assert found["log loss"][side] == pytest.approx(alone["negative_log_likelihood"], abs=1e-5)
    of_classes, of_votes = (
        found[f"RMSE of {name} against shares of votes"] for name in ("class probabilities", "told votes")
    )
    assert 0 < of_classes["images"] < found["accuracy"]["images"]
    assert of_classes["second"] == of_votes["second"]
    assert of_classes["first"] != of_votes["first"]
    assert "votes and shares on the val split" in capsys.readouterr().out


def test_artifacts_of_other_classes_are_not_compared(galaxies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names both's classes."""
    assert paired(galaxies, second="colours") == 1
    assert "expected two artifacts of the same classes" in capsys.readouterr().err


def test_labels_are_those_of_the_artifacts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Data that lack the first class of all move no label, whether the artifacts' own task is named or not."""
    data = colour_catalogue(tmp_path / "data")
    file = data / "colours.parquet"
    table = pd.read_parquet(file)
    table[table["label"] != "blue"].to_parquet(file)
    files = [tmp_path / "one.pt", tmp_path / "two.pt"]
    for path, temperature in zip(files, (1.0, 2.0), strict=True):
        path.write_bytes(colour_artifact(temperature=temperature))
    options = ["--artifacts", *files, "--data", data, "--cache", tmp_path / "cache", "--split", "test"]
    for more in ((), ("--task", "own")):
        out = tmp_path / "pair.json"
        assert evaluate_pair.main([*map(str, options), *more, "--out", str(out)]) == 0
        found = {one["name"]: one for one in json.loads(out.read_text())["differences"]}
        assert found["accuracy"]["first"] == found["accuracy"]["second"] == pytest.approx(0.75, abs=0.05)
    capsys.readouterr()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--task", "gz2_votes"), "the galaxies of the task gz2_votes have no classes"),
        (("--task", "turned"), "the images are of ('spiral', "),
    ],
)
def test_galaxies_without_the_classes_are_refused(
    galaxies: Path,
    options: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of a task without classes, and those of a task with classes in another order."""
    monkeypatch.setitem(TASKS, "turned", replace(CLEAN5, name="turned", classes=CLEAN5.classes[::-1]))
    assert paired(galaxies, *options) == 1
    assert message in capsys.readouterr().err


def test_galaxies_of_the_training_split_without_a_label_are_left_out(galaxies: Path, tmp_path: Path) -> None:
    """They have votes only, and would count as whatever class comes last."""
    file = galaxies / "data" / "gz_challenge-small.parquet"
    table, before = pd.read_parquet(file), file.read_bytes()
    labelled = int(table["split"].eq("train").sum()) - 1
    table.loc[table["uid"] == "round_smooth-1", "clean5"] = None  # of the training split, with votes
    table.to_parquet(file)
    try:
        assert paired(galaxies, "--split", "train", "--out", str(tmp_path / "pair.json")) == 0
    finally:
        file.write_bytes(before)
    found = json.loads((tmp_path / "pair.json").read_text())["differences"]
    assert found[0]["name"] == "accuracy" and found[0]["images"] == labelled


def test_the_log_quotes_the_records() -> None:
    """Every difference of two recorded runs stands in the log as it was measured, and the runs are those that are recorded."""
    log = (RUNS / "README.md").read_text(encoding="utf-8")
    pairs = [json.loads(path.read_text()) for path in sorted(RUNS.glob("*/pair*.json"))]
    assert pairs
    for pair in pairs:
        assert all((RUNS / run / "run.json").is_file() and f"`{run}`" in log for run in pair["runs"])
        for one in pair["differences"]:
            low, high = one["interval"]["low"], one["interval"]["high"]
            figures = f"{one['first']} | {one['second']} | {one['difference']} ({low} to {high}) |"
            assert f"| {one['name']} | {one['images']:,} | {figures}" in log
