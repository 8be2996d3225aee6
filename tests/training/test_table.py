"""The table of published and own accuracies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cosmoformer.models.bundled import BUNDLED
from tests.training.colours import colour_artifact, colour_catalogue
from training import evaluate, table
from training.table import Row


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run's folder with an artifact and its report."""
    artifacts = tmp_path / "run" / "artifacts"
    artifacts.mkdir(parents=True)
    (artifacts / "model.pt").write_bytes(colour_artifact())
    colour_catalogue(tmp_path / "data")
    words = f"--artifact {artifacts}/model.pt --data {tmp_path}/data --cache {tmp_path}/cache --out {artifacts}"
    assert evaluate.main(words.split()) == 0
    return tmp_path / "run"


def test_published_rows_are_those_of_the_sources() -> None:
    """The thesis's table 8.2 stands there as printed, and the three results on the clean sample with their sources."""
    rows = {row.model: row for row in table.published()}
    printed = {
        "Vision Transformer": (6_953_992, "81.17"),
        "Vision Transformer (ArXiv parameters)": (3_663_240, "79.57"),
        "CrossFormer of the thesis": (5_497_980, "75.99"),
    }
    assert {name: (rows[name].parameters, rows[name].accuracy) for name in printed} == printed
    clean = {row.model: (row.accuracy, row.source[:15]) for row in table.published("clean5")}
    assert clean == {
        "ResNet-26": ("95.2", "Zhu et al. 2019"),
        "MSCCN": ("97", "Li et al. 2023,"),
        "CvT": ("above 98", "Cao et al. 2024"),
    }
    assert all(row.source for row in rows.values())
    assert table.published("own") == []


def test_without_options_the_bundled_model_is_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """One command prints published rows and the bundled model's: parameters counted, accuracy from its card."""
    assert table.main([]) == 0
    printed = capsys.readouterr().out
    measured = json.loads((BUNDLED / "model.json").read_text())
    run, accuracy = measured["tags"]["training_run"], 100 * measured["metrics"]["test_accuracy"]
    row = next(line for line in printed.splitlines() if run in line)
    assert f"| {accuracy:.2f} |" in row
    assert (
        printed.index("### Eight classes")
        < printed.index("5,497,980")
        < printed.index("### Five clean")
        < printed.index(row)
    )


def test_a_run_is_a_row(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Figures of a run come from its report; a task that nobody published about has a table of its own."""
    assert table.main(["--run", str(run), "--json"]) == 0
    rows = [Row(**row) for row in json.loads(capsys.readouterr().out)]
    assert rows[:-1] == table.published()
    assert rows[-1].sample == "Task own"
    assert (rows[-1].model, rows[-1].parameters, rows[-1].accuracy, rows[-1].images) == (
        "CosmoFormer, run colours",
        3,
        "75.00",
        36,
    )


def test_an_artifact_is_measured(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An artifact without a report is evaluated, and has the same figures as its run."""
    words = f"--artifact {run}/artifacts/model.pt --data {tmp_path}/data --cache {tmp_path}/cache --run {run} --json"
    assert table.main(words.split()) == 0
    *_, recorded, measured = json.loads(capsys.readouterr().out)
    assert {**measured, "source": ""} == {**recorded, "source": ""}


def test_an_artifact_needs_data(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without data nothing can be measured, and the command says what to give."""
    with pytest.raises(SystemExit):
        table.main(["--artifact", str(run / "artifacts" / "model.pt")])
    assert "--data" in capsys.readouterr().err


def test_a_report_of_another_artifact_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An artifact that was exchanged after its evaluation has no figures; nor has a run without a report."""
    model, report = run / "artifacts" / "model.pt", run / "artifacts" / "report.json"
    model.write_bytes(colour_artifact(temperature=3.0))
    assert table.main(["--run", str(run)]) == 1
    assert "of another artifact" in capsys.readouterr().err
    report.unlink()
    assert table.main(["--run", str(run)]) == 1
    assert "report.json" in capsys.readouterr().err
