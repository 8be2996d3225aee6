"""The tables of published and own models."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cosmoformer.models.bundled import BUNDLED
from tests.training.colours import colour_artifact, colour_catalogue
from training import compare, evaluate
from training.evaluation.comparison import Row, published, samples
from training.evaluation.comparison_tables import as_markdown


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run's folder with an artifact and its report, and no record of how it was trained; beside it its data."""
    folder = tmp_path_factory.mktemp("compared")
    artifacts = folder / "run" / "artifacts"
    artifacts.mkdir(parents=True)
    (artifacts / "model.pt").write_bytes(colour_artifact())
    colour_catalogue(folder / "data")
    words = f"--artifact {artifacts}/model.pt --data {folder}/data --cache {folder}/cache --time --out {artifacts}"
    assert evaluate.main(words.split()) == 0
    return folder / "run"


def test_published_rows_are_those_of_the_sources() -> None:
    """The thesis's table 8.2 stands there as printed, and the results on two samples of this project with their sources."""
    rows = {row.model: row for one in samples() for row in one.rows}
    printed = {
        "Vision Transformer": (6_953_992, "81.17"),
        "Vision Transformer (ArXiv parameters)": (3_663_240, "79.57"),
        "CrossFormer of the thesis": (5_497_980, "75.99"),
    }
    assert {name: (rows[name].parameters, rows[name].figure) for name in printed} == printed
    clean = {row.model: (row.figure, row.source[:15]) for row in published("clean5")}
    assert clean == {
        "ResNet-26": ("95.2", "Zhu et al. 2019"),
        "MSCCN": ("97", "Li et al. 2023,"),
        "CvT": ("above 98", "Cao et al. 2024"),
    }
    fractions = [(row.model, row.pretrained, row.epochs, row.figure) for row in published("gz2_votes")]
    assert fractions[2:] == [
        ("Baseline CNN", "none", 240, "0.07742"),
        ("Baseline CNN with CBAM", "none", 240, "0.07693"),
        ("ResNet-50", "none", 120, "0.07574"),
        ("ResNet-50", "ImageNet-1K v1", 30, "0.07393"),
        ("ResNet-101", "ImageNet-1K v1", 30, "0.07400"),
        ("ConvNeXt Large", "ImageNet-1K v1", 30, "0.07357"),
        ("DINOv2 Base", "LVD-142M", 15, "0.07251"),
    ]
    assert all(row.source for row in rows.values())
    assert published("own") == ()


def test_the_readme_has_the_tables_of_today() -> None:
    """What stands between the markers is what the command would write; if not: python -m training.compare --write."""
    text = compare.README.read_text(encoding="utf-8")
    assert compare.with_tables(text) == text
    with pytest.raises(ValueError, match="expected the markers"):
        compare.with_tables("# Training")


def test_without_options_all_records_are_in_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    """One command prints published rows and the bundled model's, with the accuracy of its card."""
    assert compare.main([]) == 0
    printed = capsys.readouterr().out
    measured = json.loads((BUNDLED / "model.json").read_text())
    run, accuracy = measured["tags"]["training_run"], 100 * measured["metrics"]["test_accuracy"]
    clean = printed.partition("### Five clean")[2].partition("### ")[0]
    row = next(line for line in clean.splitlines() if run in line)
    assert f"| {accuracy:.2f} |" in row
    assert printed.index("### Eight classes") < printed.index("5,497,980") < printed.index("### Five clean")


def test_one_task_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Only rows on its galaxies are printed; a task that nothing is known of names those that something is."""
    assert compare.main(["--task", "gz2_votes"]) == 0
    printed = capsys.readouterr().out
    assert "DINOv2 Base" in printed and printed.count("### ") == 1
    assert compare.main(["--task", "soliao8"]) == 1
    assert (
        "nothing is known of the task 'soliao8'; of these there are rows: clean5, galaxy10, gz2_votes"
        in capsys.readouterr().err
    )


def test_a_run_is_a_row(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Figures of a run come from its report; a task that nobody published about has a table of its own."""
    assert compare.main(["--run", str(run), "--json"]) == 0
    rows = [Row(**row) for row in json.loads(capsys.readouterr().out)]
    assert rows[:-1] == compare.all_rows()
    last = rows[-1]
    assert (last.sample, last.measure, last.model) == ("Task own", "Test accuracy, %", "run colours")
    assert (last.parameters, last.figure, last.images, last.side) == (3, "75.00", 36, 16)
    assert last.prediction_ms is not None and last.prediction_ms > 0


def test_an_artifact_is_measured(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An artifact without a report is evaluated, and has the same figures as its run, but for time and memory."""
    folder = run.parent
    words = f"--artifact {run}/artifacts/model.pt --data {folder}/data --cache {folder}/cache --run {run} --json"
    assert compare.main(words.split()) == 0
    *_, recorded, measured = json.loads(capsys.readouterr().out)
    others = {"source": "", "prediction_ms": None, "batch_image_ms": None, "memory_mb": None}
    assert {**measured, **others} == {**recorded, **others}


def test_an_artifact_needs_data(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without data nothing can be measured, and the command says what to give."""
    with pytest.raises(SystemExit):
        compare.main(["--artifact", str(run / "artifacts" / "model.pt")])
    assert "--data" in capsys.readouterr().err


def test_a_report_of_another_artifact_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An artifact that was exchanged after its evaluation has no figures; nor has a run without a report."""
    run = shutil.copytree(run, tmp_path / "run")
    model, report = run / "artifacts" / "model.pt", run / "artifacts" / "report.json"
    model.write_bytes(colour_artifact(temperature=3.0))
    assert compare.main(["--run", str(run)]) == 1
    assert "of another artifact" in capsys.readouterr().err
    report.unlink()
    assert compare.main(["--run", str(run)]) == 1
    assert "expected report*.json" in capsys.readouterr().err


def test_what_is_not_known_is_a_dash() -> None:
    """A row says what its source tells and no more; thousands and digits are as people write them."""
    row = Row(
        sample="S", measure="RMSE", model="M", figure="0.0774", parameters=2_896_709, epochs=2.5, prediction_ms=3.14159
    )
    assert as_markdown([row]).splitlines()[-1] == "| M | 2,896,709 | – | – | 2.5 | 0.0774 | – | – | 3.14 | – |"
