"""Galaxy10 from the published file to a row of its table, by MobileViT's recipe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from cosmoformer.models import artifact
from tests.training.galaxies import published_galaxy10
from training import compare, evaluate, train
from training.evaluation import report as reports
from training.evaluation.comparison import published
from training.loop import checkpoint
from training.tasks import TASKS

CLASSES = TASKS["galaxy10"].classes
SMALL = {"model": "timm/mobilevit_xxs", "image_size": 32, "batch_size": 8}


def trained(folder: Path, epochs: int = 1) -> Path:
    """The folder of a finished run of the paper's recipe, with the smallest MobileViT on small images."""
    out, data = folder / "mobilevit", published_galaxy10(folder / "Galaxy10_DECals.h5")
    sets = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    words = [
        "--data",
        str(data),
        "--out",
        str(out),
        "--cache",
        str(folder / "cache"),
        "--device",
        "cpu",
        "--threads",
        "1",
    ]
    assert train.main([*words, "--recipe", "mobilevit", "--epochs", str(epochs), *sets]) == 0
    return out


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("galaxy10"))


def test_the_papers_table_is_given() -> None:
    """Parameters, accuracy and time of a step of all eight models (Tan 2023, table 3), and what trains each of them."""
    rows = {row.model: (row.parameters, row.figure, row.step_ms, row.backbone) for row in published("galaxy10")}
    assert rows == {
        "ViT": (85_800_000, "66.43", 765, "timm/vit_base_patch16_224"),
        "ResNet50V2": (24_600_000, "62.26", 59, "timm/resnetv2_50"),
        "DenseNet121": (7_500_000, "64.49", 63, "timm/densenet121"),
        "EfficientNetV2-S with self-attention": (21_000_000, "88.16", 1000, "timm/tf_efficientnetv2_s"),
        "MobileNet": (3_700_000, "81.09", 29, "timm/mobilenetv1_100"),
        "MobileNetV2": (2_900_000, "79.74", 35, "timm/mobilenetv2_100"),
        "MobileNetV3-Large": (3_500_000, "14.18", 34, "timm/mobilenetv3_large_100"),
        "MobileViT-S": (4_900_000, "87.12", 45, "timm/mobilevit_s"),
    }
    (best,) = (row for row in published("galaxy10") if row.by_class)
    assert best.model == "MobileViT-S" and set(best.by_class) == set(CLASSES)
    assert best.by_class["Disturbed_Galaxies"] == "0.66 / 0.50 / 0.57"


@pytest.mark.parametrize("row", published("galaxy10"), ids=lambda row: row.model)
def test_each_of_the_papers_models_can_be_trained(row: compare.Row) -> None:
    """timm has it, and with ten classes it is of about the size that the paper gives (its heads have a layer more)."""
    import timm

    with torch.device("meta"):
        network = timm.create_model(row.backbone.removeprefix("timm/"), num_classes=len(CLASSES))
    assert sum(one.numel() for one in network.parameters()) == pytest.approx(row.parameters, rel=0.25)


def test_its_classes_are_those_of_the_file(run: Path) -> None:
    """The artifact tells the ten classes in the file's order, and the run's weights can be read back from it."""
    model = artifact.load((run / "artifacts" / "model.pt").read_bytes())
    assert (model.metadata.task, model.metadata.classes) == ("galaxy10", CLASSES)
    best, exported = (checkpoint.weights_of(run / name) for name in ("checkpoint.pt", "artifacts/model.pt"))
    for name, value in best.items():
        assert torch.allclose(exported[name].reshape(value.shape), value, rtol=1e-4, atol=1e-6), name


def test_a_run_stands_apart_from_the_paper(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its row is in a table that names how many galaxies there were; the paper's row says that its model was trained or not."""
    artifacts = run / "artifacts"
    words = ["--artifact", str(artifacts / "model.pt"), "--data", str(run.parent / "Galaxy10_DECals.h5"), "--time"]
    assert evaluate.main([*words, "--cache", str(run.parent / "cache"), "--out", str(artifacts)]) == 0
    found = reports.read(artifacts / "report.json")
    assert found.footprint and found.footprint.file_bytes == (artifacts / "model.pt").stat().st_size
    assert found.footprint.memory_bytes > 50e6 and found.batch_image_ms and found.batch_image_ms > 0
    capsys.readouterr()
    assert compare.main(["--task", "galaxy10", "--run", str(run), "--json"]) == 0
    rows = [compare.Row(**row) for row in json.loads(capsys.readouterr().out)]
    (own,) = (row for row in rows if row.source == "the run's report")
    assert own.sample == "Ten classes of Galaxy10 DECaLS: 60 galaxies, measured here"
    assert own.backbone == "timm/mobilevit_xxs" and set(own.by_class) == set(CLASSES)
    theirs = {row.model: row for row in rows if row.here}
    assert {row.sample for row in theirs.values()} == {"Ten classes of Galaxy10 DECaLS: 17,736 galaxies, published"}
    trained_here = {row.backbone for row in rows if not row.here}
    assert all((row.here == "trained, see below") == (row.backbone in trained_here) for row in theirs.values())
    assert compare.main(["--task", "galaxy10", "--run", str(run)]) == 0
    printed = capsys.readouterr().out
    assert printed.index("| MobileViT-S |") < printed.index("60 galaxies, measured here")
    assert "Precision / recall / F1 by class" in printed and "| Memory, MB |" in printed
