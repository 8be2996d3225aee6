"""Measuring an artifact: the report, what it depends on, and what the command leaves behind."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cosmoformer.models import artifact
from cosmoformer.models.artifact import Artifact
from cosmoformer.models.bundled import BUNDLED
from cosmoformer.models.gate import HeldOut
from tests.training.colours import CLASSES, SIDE, colour_artifact, colour_cache, colour_catalogue, colour_model
from training import evaluate as evaluation
from training.data.cache import ImageCache
from training.evaluate import card, evaluate
from training.evaluation import report as reports
from training.evaluation.inference import BATCH, probabilities
from training.evaluation.metrics import is_right
from training.evaluation.views import ROTATIONS, noisy, turned, views

SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> ImageCache:
    """36 galaxies of one colour each, 9 of them labelled wrongly: more than one batch."""
    return colour_cache(tmp_path_factory.mktemp("colours"))


@pytest.fixture(scope="module")
def model() -> Artifact:
    return colour_model(temperature=2.0)


def test_the_report_of_a_known_prediction(model: Artifact, cache: ImageCache) -> None:
    """Accuracy, F1, confusion and parameters are those that the images were made for."""
    found = evaluate(model, cache)
    assert len(cache.labels) == 36 > BATCH
    assert found.metrics["test_images"] == 36
    assert found.metrics["test_accuracy"] == 0.75
    assert found.metrics["test_accuracy_low"] < 0.75 < found.metrics["test_accuracy_high"]
    assert found.metrics["test_macro_f1_low"] < found.metrics["test_macro_f1"] < found.metrics["test_macro_f1_high"]
    assert np.trace(np.array(found.confusion)) == 27
    assert [one.images for one in found.classes] == np.bincount(cache.labels).tolist()
    assert found.metrics["test_recall_red"] == found.classes[2].recall
    assert found.model.parameters == 3
    assert (found.model.classes, found.model.sha256) == (CLASSES, model.sha256)


def test_temperature_changes_calibration_and_nothing_else(cache: ImageCache) -> None:
    """Before scaling, an artifact's figures are those of the same artifact with a temperature of one."""
    scaled = evaluate(colour_model(temperature=2.0), cache).figures
    plain = evaluate(colour_model(), cache).figures
    for name in ("calibration_error", "negative_log_likelihood", "brier_score"):
        assert scaled[f"{name}_before"] == pytest.approx(plain[name], abs=1e-5)
        assert scaled[name] != plain[name] == plain[f"{name}_before"]
    assert scaled["accuracy"] == plain["accuracy"]


def test_a_report_can_be_read_back(model: Artifact, cache: ImageCache, tmp_path: Path) -> None:
    """What is written as JSON is read as the same report; something else is refused by name."""
    found = evaluate(model, cache, robustness=True, view_count=4)
    path = tmp_path / "report.json"
    path.write_text(found.to_json())
    assert reports.read(path) == found
    path.write_text('{"metrics": {}}')
    with pytest.raises(ValueError, match=r"report\.json is no report of training\.evaluate"):
        reports.read(path)


def test_held_out_evidence_is_in_the_order_of_uids(model: Artifact, cache: ImageCache) -> None:
    """The gate reads from the tags which galaxies, by sorted uid, were classified right; other splits give no evidence."""
    predictions = probabilities(model, cache)
    tags = evaluate(model, cache, predictions).tags
    by_uid = dict(zip(cache.uids, is_right(predictions, cache.labels), strict=True))
    answers = HeldOut.from_tags(tags)
    assert answers is not None
    assert answers == HeldOut.of(cache.version, [by_uid[uid] for uid in sorted(by_uid)])
    assert list(cache.uids) != sorted(cache.uids)
    assert answers.accuracy == 0.75
    assert (tags["task"], tags["training_run"]) == ("own", "colours")
    assert HeldOut.from_tags(evaluate(model, cache, predictions, split="val").tags) is None


def test_figures_are_named_by_their_split(model: Artifact, cache: ImageCache) -> None:
    """A report of the validation split cannot be taken for one of the test split."""
    found = evaluate(model, cache, split="val")
    assert all(name.startswith("val_") for name in found.metrics)
    assert found.figures["accuracy"] == found.metrics["val_accuracy"]


def test_views_of_what_looks_the_same_from_everywhere_change_nothing(model: Artifact, cache: ImageCache) -> None:
    """An artifact and galaxies without a direction have the same figures with 16 views as with one."""
    found = evaluate(model, cache, robustness=True, view_count=16)
    assert found.views is not None
    assert found.views.with_views == pytest.approx(found.views.without, abs=1e-5)
    assert (found.views.gain, found.views.gain_low, found.views.gain_high) == (0, 0, 0)
    assert found.metrics["test_accuracy_16_views"] == found.metrics["test_accuracy_1_view"] == 0.75
    assert found.robustness is not None
    assert {point.accuracy for point in found.robustness.rotation} == {0.75}


def test_what_looks_at_one_side_is_lost_when_turned(tmp_path: Path) -> None:
    """An artifact that sees only the left half is right upright, wrong upside down, and its report says so."""
    cache = colour_cache(tmp_path, per_class=6, halves=True)
    found = evaluate(colour_model(left_half=True), cache, robustness=True, view_count=2)
    assert found.robustness is not None
    accuracy = {point.at: point.accuracy for point in found.robustness.rotation}
    assert tuple(accuracy) == ROTATIONS
    assert (accuracy[0], accuracy[180]) == (1, 0)
    assert found.metrics["test_accuracy_rotated_180"] == 0


def test_noise_costs_accuracy(model: Artifact, cache: ImageCache) -> None:
    """The brightest pixel tells little under strong noise; at none the accuracy is that of the images."""
    found = evaluate(model, cache, robustness=True)
    assert found.robustness is not None
    assert found.robustness.noise[0].accuracy == 0.75
    assert found.robustness.noise[-1].accuracy < 0.6
    assert found.metrics["test_accuracy_noise_0.1"] == found.robustness.noise[-1].accuracy


def test_noise_is_an_images_own() -> None:
    """Noise depends on the row and not on the batch, grows with sigma, and has the standard deviation that it is named by."""
    images = torch.full((3, 3, 64, 64), 128, dtype=torch.uint8)
    changed = noisy(0.05)(images, np.array([4, 5, 6])).float() - 128
    assert torch.equal(noisy(0.05)(images[:1], np.array([5])).float() - 128, changed[1:2])
    assert not torch.equal(changed[0], changed[1])
    assert float(changed.std()) == pytest.approx(0.05 * 255, rel=0.02)
    assert torch.corrcoef(torch.stack([changed[0].flatten(), noisy(0.1)(images[:1], np.array([4])).float().flatten()]))[
        0, 1
    ] == pytest.approx(1, abs=0.01)


def test_turning_moves_pixels_counter_clockwise() -> None:
    """Quarter turns are exact, others agree with them at the limit, and four views of 90 degrees are the four quarters."""
    images = torch.randint(0, 256, (2, 3, 9, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    rows = np.arange(2)
    assert torch.equal(turned(90)(images, rows), torch.rot90(images, 1, (2, 3)))
    assert torch.equal(turned(180, mirrored=True)(images, rows), images.flip(3).flip(2).flip(3))
    nearly = turned(89.99)(images, rows).float()
    assert float((nearly - torch.rot90(images, 1, (2, 3)).float()).abs().max()) <= 2
    assert torch.equal(views(8)[1](images, rows), turned(90)(images, rows))
    assert len({tuple(view(images, rows).flatten().tolist()) for view in views(16)}) == 16
    with pytest.raises(ValueError, match="even"):
        views(7)


def test_a_subset_is_stated_and_always_the_same(model: Artifact, cache: ImageCache) -> None:
    """Robustness on a part of the galaxies says on how many; the figures of the whole split do not change."""
    first, second = (evaluate(model, cache, robustness=True, subset=8) for _ in range(2))
    assert first == second
    assert first.robustness is not None
    assert first.robustness.images == 8
    assert first.metrics["test_accuracy"] == 0.75
    assert card(first)["params"]["robustness_images"] == "8"


def test_probabilities_do_not_depend_on_who_else_computes(model: Artifact, cache: ImageCache) -> None:
    """However many threads torch is given, the probabilities are the same to the last bit, and the setting is left alone."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        first = probabilities(model, cache)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(first, probabilities(model, cache))
    assert np.array_equal(first[5:7], probabilities(model, cache, np.array([5, 6])))


def test_other_classes_or_missing_labels_are_refused(model: Artifact, cache: ImageCache) -> None:
    """Figures of images that the artifact was not made for, or that nobody labelled, would mean nothing."""
    with pytest.raises(ValueError, match="the images are of"):
        evaluate(model, replace(cache, classes=("a", "b", "c")))
    with pytest.raises(ValueError, match="1 of 36 galaxies have no label"):
        evaluate(model, replace(cache, labels=np.append(cache.labels[:-1], -1)))


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """Options of the command for the coloured galaxies."""
    (tmp_path / "model.pt").write_bytes(colour_artifact())
    colour_catalogue(tmp_path / "data")
    return f"--artifact {tmp_path}/model.pt --data {tmp_path}/data --cache {tmp_path}/cache".split()


def test_the_command_leaves_report_predictions_pictures_and_card(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One command prints the tables and writes every file; given twice, the files are the same to the last byte."""
    outs = [tmp_path / name for name in ("first", "second")]
    for out in outs:
        extra = f"--robustness --views 4 --subset 9 --out {out} --card {out}.json --device cpu"
        assert evaluation.main([*command, *extra.split()]) == 0
    kept = {path.relative_to(outs[0]).as_posix(): path.read_bytes() for path in outs[0].rglob("*") if path.is_file()}
    assert kept == {name: (outs[1] / name).read_bytes() for name in kept}
    assert {"report.json", "predictions.csv", "pictures/confusion.png", "pictures/mistakes.png"} <= kept.keys()
    with (outs[0] / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 36
    assert sum(row["label"] == row["predicted"] for row in rows) == 27
    assert all(sum(float(row[f"p_{name}"]) for name in CLASSES) == pytest.approx(1, abs=1e-5) for row in rows)
    found = reports.read(outs[0] / "report.json")
    assert json.loads((tmp_path / "first.json").read_text()) == card(found)
    printed = capsys.readouterr().out
    assert "Accuracy of 9 galaxies that are rotated" in printed
    assert "0.75" in printed


@pytest.mark.parametrize(
    ("content", "reason"), [(b"no model", "TorchScript"), (colour_artifact(task="none"), "'none'")]
)
def test_what_cannot_be_measured_is_told(
    command: list[str], content: bytes, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is no artifact, and one of an unknown task, end the command with the reason and no traceback."""
    (tmp_path / "model.pt").write_bytes(content)
    assert evaluation.main(command) == 1
    assert reason in capsys.readouterr().err


def test_images_are_asked_for_as_large_as_the_artifact_takes_them(command: list[str], tmp_path: Path) -> None:
    """The cache is decoded at the artifact's own input size."""
    loaded = artifact.load((tmp_path / "model.pt").read_bytes())
    assert evaluation.open_split(loaded, tmp_path / "data", tmp_path / "cache").pixels.shape == (36, SIDE, SIDE, 3)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_bundled_models_card_can_be_measured_again(tmp_path: Path) -> None:
    """From the shipped artifact and the test galaxies come the card's figures of the whole split, but for one in the last digit.

    A number of threads changes sums by a ten-millionth, and so now and then how a figure is rounded.
    """
    test_galaxies = SHARED / "gz_challenge-test.parquet"
    if not test_galaxies.exists():
        pytest.skip("the labelled survey images are not at hand (../shared/data)")
    measured = json.loads((BUNDLED / "model.json").read_text())["metrics"]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / test_galaxies.name).symlink_to(test_galaxies)
    model = artifact.load((BUNDLED / "model.pt").read_bytes())
    found = evaluate(model, evaluation.open_split(model, tmp_path / "data", tmp_path / "cache")).metrics
    assert found == pytest.approx({name: measured[name] for name in found}, abs=1.01e-5)
