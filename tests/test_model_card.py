"""The model card quotes the figures that were measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cosmoformer.models.artifact import digest, read_metadata
from cosmoformer.models.bundled import bundle
from cosmoformer.runs.folder import read_run
from training.card import recipe_of, render
from training.evaluate_surveys import RECORD_FILE, surveys_of
from training.evaluate_votes import VoteRecord
from training.evaluation import report as reports
from training.evaluation.domain import Flagged, domain_of

ROOT = Path(__file__).parents[1]
RUN = ROOT / "training" / "runs" / "clean5-crossformer-distilled"
CARD = (ROOT / "mlflow" / "model-card.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOMAIN = json.loads((RUN / "domain_head.json").read_text())
MEASURED = json.loads((ROOT / "cosmoformer" / "bundled" / "model.json").read_text())


@pytest.mark.parametrize("name", [name for name in MEASURED["metrics"] if name != "test_images"])
def test_every_measured_figure_is_in_the_card(name: str) -> None:
    """Each figure of the evaluation stands in the card, to the last digit."""
    assert str(MEASURED["metrics"][name]) in CARD


def test_the_card_is_that_of_the_bundled_artifact() -> None:
    """It names the file's digest, and the registry is told of the same training run."""
    content = (ROOT / "cosmoformer" / "bundled" / "model.pt").read_bytes()
    assert digest(content) in CARD
    assert read_metadata(content).run == MEASURED["tags"]["training_run"]


def test_the_votes_of_all_galaxies_are_quoted() -> None:
    """What is said of galaxies with and without a class is what the record of the bundled model's votes has."""
    record = VoteRecord.of(json.loads((RUN / "votes.json").read_text()))
    report = reports.read(RUN / "report.json")
    with_class, without = record.with_class, record.without_class
    assert with_class and without and report.votes and record.sha256 == report.model.sha256
    assert f"on the {with_class.images:,} of these galaxies" in CARD
    assert (with_class.images, with_class.rmse) == (report.votes.images, pytest.approx(report.votes.rmse, abs=1e-5))
    assert f"it is {record.all.rmse:.3f}](training/runs)" in README
    assert f"on the {with_class.images:,} galaxies of which" in README
    runs = " ".join((RUN.parent / "README.md").read_text(encoding="utf-8").split())
    assert (
        f"on the {with_class.images:,} test galaxies that have a class and every vote (RMSE {with_class.rmse:.4f})"
        in runs
    )
    assert f"the {without.images} with every vote and no class" in runs
    assert f"({without.rmse:.3f}), which makes {record.all.rmse:.3f} of all {record.all.images:,}" in runs
    results = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert f"{record.all.images:,} galaxies with all votes" in results and (RUN / "votes.png").is_file()


def test_the_score_is_that_of_its_record() -> None:
    """The artifact is the one that the record of its score names, with the figures that the card quotes."""
    report = reports.read(RUN / "report.json")
    assert DOMAIN["sha256"] == report.model.sha256
    assert report.domain == domain_of(DOMAIN["test"])
    assert f"**{report.domain.strangers_share}** of pictures that are none" in CARD


def test_the_documents_quote_what_is_flagged() -> None:
    """README and docs/results.md have the shares of the record, of other surveys too."""
    test = domain_of(DOMAIN["test"])
    assert f"| ≥ 95 % | {100 * test.strangers_share:.1f} % |" in README
    assert f"| ≤ 1 % | {100 * test.galaxies.share:.2f} % |" in README
    results = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert f"| {100 * test.galaxies.share:.2f} % of {test.galaxies.pictures:,} |" in results
    for one in [Flagged(**members) for members in DOMAIN["surveys"]]:
        assert f"| {100 * one.share:.1f} % of {one.pictures:,} |" in results, one.name


def test_the_card_is_made_from_the_records() -> None:
    """Run, recipe, report and the record of surveys give the card as it is: nothing in it is typed by hand."""
    run, report = read_run(RUN), reports.read(RUN / "report.json")
    surveys = surveys_of(RUN / RECORD_FILE, report.model.sha256)
    assert surveys and render(report, recipe_of(run), run, surveys) == CARD


def test_the_documents_quote_other_surveys() -> None:
    """docs/results.md has the accuracies that the record of surveys has, as they come and at the zooms that it names."""
    sha256 = reports.read(RUN / "report.json").model.sha256
    results = (ROOT / "docs" / "results.md").read_text(encoding="utf-8").replace("\n", " ")
    found = {one.name: {way.name: way.accuracy for way in one.shown} for one in surveys_of(RUN / RECORD_FILE, sha256)}
    efigi, decals = found["EFIGI (SDSS)"], found["Galaxy10 DECaLS"]
    assert f"{100 * (efigi['zoom 1'] or 0):.1f} % get the right class as they come and" in results
    assert f"{100 * (efigi['zoom 0.7'] or 0):.1f} % at zoom 0.7" in results
    assert (
        f"{100 * (decals['zoom 1'] or 0):.1f} % as they come and {100 * (decals['zoom 1.5'] or 0):.1f} % at zoom 1.5"
        in results
    )


def test_the_card_names_data_and_temperature() -> None:
    """The card belongs to the bundled artifact: its data version and temperature are the artifact's."""
    assert MEASURED["tags"]["data_version"] in CARD
    assert MEASURED["params"]["temperature"] in CARD


def test_the_readme_quotes_the_bundled_model() -> None:
    """Its table of goals has the evaluation's figures, rounded."""
    found = MEASURED["metrics"]
    accuracy, low, high = (100 * found[f"test_accuracy{end}"] for end in ("", "_low", "_high"))
    f1, f1_low, f1_high = (found[f"test_macro_f1{end}"] for end in ("", "_low", "_high"))
    assert f"| {accuracy:.2f} % ({low:.2f} to {high:.2f}) |" in README
    assert f"| {f1:.3f} ({f1_low:.3f} to {f1_high:.3f}) |" in README
    assert f"| {found['test_calibration_error']:.5f} |" in README
    assert f"| ≤ 0.080 | {found['test_votes_rmse']:.4f} |" in README
    assert f"| {int(MEASURED['params']['parameters']) / 1e6:.2f} million |" in README


def test_the_readme_quotes_the_logs() -> None:
    """The best validation score of the bundled model's run stands in the README."""
    lines = [json.loads(line)["metrics"] for line in (RUN / "metrics.jsonl").read_text().splitlines()]
    assert f"to {max(line['val/score'] for line in lines if 'val/score' in line):.3f}" in README


@pytest.mark.parametrize("recipe", ["thesis", "cpu"])
def test_the_readme_quotes_both_recipes(recipe: str) -> None:
    """What two recipes came to on the same budget is what their reports say."""
    found = reports.read(RUN.parent / f"{recipe}-recipe-two-epochs" / "report.json").metrics
    assert f"{100 * found['test_accuracy']:.2f} %" in README


def test_the_card_of_inclinations_is_made_from_the_records() -> None:
    """The further model that ships is that of its run's report, which gives its card as it is."""
    run = ROOT / "training" / "runs" / "inclination-lite0-efigi"
    report, shipped = reports.read(run / "report.json"), bundle("inclination")
    assert report.model.sha256 == digest(shipped.artifact)
    assert render(report, recipe_of(read_run(run)), read_run(run)) == shipped.card
    assert all(f"{value:.10g}" in shipped.card for name, value in shipped.words["metrics"].items() if "median" in name)


def test_the_log_quotes_what_calibrations_were_tried() -> None:
    """Its table and its words on chance, and the README's, are those of the record, which is of the bundled artifact."""
    record = json.loads((RUN / "calibration.json").read_text())
    report = reports.read(RUN / "report.json")
    log = " ".join((RUN.parent / "README.md").read_text(encoding="utf-8").split())
    found = record["floors"]["test"]
    assert record["sha256"] == report.model.sha256 and record["images"]["test"] == report.conditions.images
    assert found["measured"] == report.figures["calibration_error"]
    for one in record["calibrations"]:
        assert f"| {one['name']} | {one['parameters']} | {one['negative_log_likelihood']} |" in log
        assert f"| {one['calibration_error']} | {one['accuracy']} | {one['macro_f1']} |" in log
    # Nothing was changed since none is better for sure; where one is, the words are no longer true.
    assert all(one["interval"]["low"] <= 0 <= one["interval"]["high"] for one in record["calibrations"])
    above = 1 - found["within_goal"]
    assert f"would still show {found['mean']:.4f} in the mean" in log
    assert f"{found['interval']['low']:.4f} to {found['interval']['high']:.4f} in 95 % of draws" in log
    assert f"the goal of 0.01 in {100 * above:.1f} % of them" in log
    assert f"As much as the measured {found['measured']} or more comes in {100 * found['as_high']:.1f} %" in log
    readme = " ".join(README.split())
    assert (
        f"a calibration error of {found['mean']:.4f} in the mean, and one of more than 0.01 in {100 * above:.0f} % of samples"
        in readme
    )
