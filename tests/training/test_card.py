"""The model card says what was measured, and nothing else."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from cosmoformer.runs.folder import RunInfo
from tests.training.colours import colour_cache, colour_model
from training import card
from training.evaluate import evaluate
from training.evaluation.report import Report
from training.loop.recipe import Recipe
from training.tasks import TASKS

RECIPE = Recipe(task="own", epochs=7, learning_rate=3e-4)


def run_info() -> RunInfo:
    params = {
        **RECIPE.params(),
        "recipe": "best",
        "initial_weights": "fresh",
        "train_images": "21872",
        "val_images": "273",
    }
    started = "2025-06-01T00:00:00Z"
    return RunInfo("colours", "0" * 32, started, started, "FINISHED", params, {"device": "an abacus"})


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    cache = colour_cache(tmp_path_factory.mktemp("colours"))
    return evaluate(colour_model(temperature=2.0), cache, robustness=True, view_count=4, subset=9)


def test_every_figure_is_in_the_card(report: Report) -> None:
    """Each figure of the report stands in the card to the last digit, with the versions and settings it depends on."""
    text = card.render(report, RECIPE, run_info())
    missing = [name for name, value in report.metrics.items() if str(value) not in text and name != "test_images"]
    assert missing == []
    for fact in (report.model.sha256, report.model.data_version, report.conditions.set, "| `epochs` | 7 |", "0.0003"):
        assert fact in text
    assert "21,872 images for training, 273 for validation, 36 for the figures" in text
    assert "temperature (2.0)" in text
    assert "on an abacus" in text
    assert "--robustness --views 4 --device cpu --subset 9`" in text
    assert not re.search(r"\$\w", text)


def test_the_surest_mistakes_are_shown(report: Report) -> None:
    """Galaxy by galaxy, and where their pictures are; a report from before they were kept has no such table."""
    text = card.render(report, RECIPE, run_info())
    assert report.mistakes
    for one in report.mistakes:
        assert f"| `{one.uid}` | {one.true} | {one.given} | {one.confidence} |" in text
    assert "pictures/mistakes.png" in text
    assert "pictures/mistakes.png" not in card.render(replace(report, mistakes=()), RECIPE, run_info())


def test_a_smaller_report_makes_a_shorter_card(report: Report) -> None:
    """What was not measured has no heading and no empty table; another split is named."""
    conditions = replace(report.conditions, split="val")
    plain = replace(report, robustness=None, views=None, conditions=conditions)
    plain = replace(plain, metrics={name.replace("test_", "val_"): value for name, value in report.metrics.items()})
    text = card.render(plain, RECIPE, run_info())
    assert "Rotated" not in text
    assert "augmentation: the mean" not in text
    assert (
        "of the val split, one view each, by `python -m training.evaluate --artifact model.pt --data … --split val --device cpu`"
        in text
    )
    assert "\n\n\n" not in text


def test_the_galaxy_zoo_card_has_its_words(report: Report) -> None:
    """A model of the clean sample has the sample's description, names of classes, rivals, weaknesses and citations."""
    classes = TASKS["clean5"].classes
    named = tuple(replace(report.classes[0], name=name, images=10 + index) for index, name in enumerate(classes))
    facts = replace(report.model, task="clean5", classes=classes)
    text = card.render(replace(report, model=facts, classes=named), Recipe(), run_info())
    for words in (
        "Zhu et al. (2019)",
        "cigar-shaped, smooth",
        "| CvT | above 98 |",
        "**One survey.**",
        "**Pictures of something else**",
        "Apache-2.0",
    ):
        assert words in text
    for source in (
        "Willett et al. 2013",
        "Hart et al. 2016",
        "Wang et al. 2021",
        "SDSS",
        "Zhu et al. 2019",
        "Guo et al. 2017",
    ):
        assert source in text.partition("**Citations.**")[2]
    assert "**The rarest class**, round, smooth, is 10 of 36 galaxies (27.8 %)" in text


def test_words_exist_for_tasks_that_exist() -> None:
    """Every task and class that the words are about is one of the project's."""
    words = tomllib.loads(Path(card.__file__).with_name("card.toml").read_text())
    for task, about in words["task"].items():
        assert tuple(about.get("names", ())) == TASKS[task].classes


def test_the_command_writes_a_runs_card(report: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a run's folder comes the card that rendering gives; without a report the command says what is missing."""
    run = tmp_path / "run"
    (run / "artifacts").mkdir(parents=True)
    (run / "run.json").write_text(run_info().as_json())
    assert card.main(["--run", str(run)]) == 1
    assert "report.json" in capsys.readouterr().err
    (run / "artifacts" / "report.json").write_text(report.to_json())
    assert card.main(["--run", str(run)]) == 0
    assert (run / "artifacts" / "card.md").read_text() == card.render(report, RECIPE, run_info())
    assert card.main(["--run", str(run), "--out", str(tmp_path / "model-card.md")]) == 0
    assert (tmp_path / "model-card.md").read_text() == (run / "artifacts" / "card.md").read_text()
