"""Recipes that need more than data, as a person gives them: a teacher, its pupil, and the best in the minutes that there are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cosmoformer.models import artifact
from cosmoformer.models.outputs import DOMAIN
from tests.training.galaxies import small_catalogue
from training import train

PLACE = ("--device", "cpu", "--threads", "1")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_catalogue(tmp_path_factory.mktemp("data"), votes=True)


def words(data: Path, out: Path, *options: str, **changes: object) -> list[str]:
    fewer = {"foreign_pictures": 0} | changes
    sets = [word for name, value in fewer.items() for word in ("--set", f"{name}={value}")]
    return ["--data", str(data), "--out", str(out), "--cache", str(data / "cache"), *PLACE, *options, *sets]


def params(out: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((out / "run.json").read_text())["params"]
    return found


@pytest.fixture(scope="module")
def teacher(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of the recipe for teachers, with timm's smallest backbone."""
    out = tmp_path_factory.mktemp("runs") / "teacher"
    small = {"model": "timm/test_efficientnet", "image_size": 64, "epochs": 1, "batch_size": 4}
    assert train.main(words(data, out, "--recipe", "teacher", **small)) == 0
    return out


def test_a_backbone_of_timm_becomes_an_artifact(teacher: Path) -> None:
    """It is trained, measured and exported as any model is; its record says that it began from nothing."""
    model = artifact.load((teacher / "artifacts" / "model.pt").read_bytes())
    assert (model.metadata.task, model.metadata.input_size) == ("clean5", 64)
    assert params(teacher)["initial_weights"] == "fresh"


def test_the_crossformer_learns_from_teachers(data: Path, teacher: Path, tmp_path: Path) -> None:
    """From an artifact and a checkpoint at once; the record names them, the folder goes on, and can be made longer."""
    out = tmp_path / "pupil"
    files = (teacher / "artifacts" / "model.pt", teacher / "checkpoint.pt")
    named = [word for file in files for word in ("--teacher", str(file))]
    changes = {"batch_size": 4, "sides": "[[64, 0.5]]", "precision": "fp32", "teacher_views": 2}
    command = words(data, out, "--recipe", "distil", *named, **changes)
    assert train.main([*command, "--epochs", "1"]) == 0
    assert artifact.load((out / "artifacts" / "model.pt").read_bytes()).metadata.input_size == 112
    assert params(out)["teacher"].startswith("('artifacts/model.pt (SHA-256 ")
    assert "teacher/checkpoint.pt (SHA-256 " in params(out)["teacher"]
    assert str(tmp_path.parent) not in json.dumps(params(out))
    kept = sorted((data / "cache" / "teachers").glob("*.npy"))
    assert len(kept) == 4
    assert train.main([*command, "--epochs", "2"]) == 0
    assert params(out)["epochs"] == "2"
    assert sorted((data / "cache" / "teachers").glob("*.npy")) == kept
    epochs = [json.loads(line)["metrics"].get("epoch") for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [epoch for epoch in epochs if epoch] == [1, 2]


def test_the_crossformer_learns_what_its_teacher_sees(
    data: Path, teacher: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The guided recipe trains an artifact like any other; a teacher's artifact, which shows no maps, is refused with a cure."""
    changes = {"image_size": 64, "batch_size": 4, "precision": "fp32"}
    command = words(data, tmp_path / "guided", "--recipe", "distil-guided", "--epochs", "1", **changes)
    assert train.main([*command, "--teacher", str(teacher / "artifacts" / "model.pt")]) == 1
    assert "give the checkpoint.pt of a network of timm's (--teacher)" in capfd.readouterr().err
    assert train.main([*command, "--teacher", str(teacher / "checkpoint.pt")]) == 0
    made = artifact.load((tmp_path / "guided" / "artifacts" / "model.pt").read_bytes())
    assert (made.metadata.input_size, made.metadata.features) == (64, 256)
    assert params(tmp_path / "guided")["guide_weight"] == "1.0"


def test_a_pupil_without_its_teacher_says_what_to_do(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The recipe as it stands names a file that somebody has to train first."""
    monkeypatch.chdir(tmp_path)
    assert train.main(words(data, tmp_path / "out", "--recipe", "distil")) == 1
    assert "no teacher at runs/teacher/artifacts/model.pt: train one (recipe teacher)" in capfd.readouterr().err


def test_the_best_recipe_ends_in_its_minutes(data: Path, tmp_path: Path) -> None:
    """In mixed precision, small images first: as many epochs as fit, and the same command finds it finished.

    Its artifact tells what is no galaxy.
    """
    out = tmp_path / "best"
    command = words(data, out, "--minutes", "0.1", batch_size=4, precision="bf16", foreign_pictures=40)
    assert train.main(command) == 0
    lines = [json.loads(line)["metrics"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    epochs = [line["epoch"] for line in lines if "epoch" in line]
    assert 1 <= len(epochs) < 400
    assert params(out)["minutes"] == "0.1"
    assert artifact.load((out / "artifacts" / "model.pt").read_bytes()).metadata.values == (DOMAIN,)
    assert "Flagged as no galaxy" in (out / "artifacts" / "card.md").read_text()
    before = (out / "run.json").read_bytes()
    assert train.main(command) == 0
    assert (out / "run.json").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("sides=[[100, 0.5]]", "crossformer takes images of 64, 112, 160, 224 pixels, not 100"),
        ("model=timm/resnet_eighteen", "has no network 'resnet_eighteen'; there are resnet"),
    ],
)
def test_what_a_recipe_cannot_have_is_named(
    data: Path, tmp_path: Path, change: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """A side that does not fit and a backbone that does not exist end the command with one line."""
    assert train.main([*words(data, tmp_path / "out"), "--set", change]) == 1
    assert message in capfd.readouterr().err
