"""Pictures of an evaluation and a run: which are drawn, and what they show."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cosmoformer.runs.folder import MetricsLine
from tests.training.colours import colour_cache, colour_model
from training.data.cache import ImageCache
from training.evaluate import evaluate
from training.evaluation import pictures
from training.evaluation.inference import probabilities
from training.evaluation.report import Report

Measured = tuple[Report, ImageCache, NDArray[np.float64]]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """A report with everything in it, its images and their probabilities."""
    model, cache = colour_model(temperature=2.0), colour_cache(tmp_path_factory.mktemp("colours"))
    predictions = probabilities(model, cache)
    return evaluate(model, cache, predictions, robustness=True, view_count=2), cache, predictions


def lines(count: int) -> list[MetricsLine]:
    """What training logs at the end of each epoch, and figures that are no curve."""
    return [
        MetricsLine(
            step=10 * epoch,
            time=epoch,
            metrics={
                "epoch/train_loss": 1 / epoch,
                "val/loss": 1.5 / epoch,
                "val/score": 1 - 0.5 / epoch,
                "train/learning_rate": 1e-3 / epoch,
                "system/memory_mib": 100.0,
            },
        )
        for epoch in range(1, count + 1)
    ]


def test_every_picture_is_drawn(measured: Measured, tmp_path: Path) -> None:
    """With a run's figures there are five PNG files on white, and twice the same."""
    curves = tmp_path / "metrics.jsonl"
    curves.write_text("".join(line.as_json() for line in lines(5)))
    written = pictures.draw_all(*measured, curves, tmp_path / "first")
    names = ["confusion", "reliability", "mistakes", "robustness", "learning_curves"]
    assert [path.stem for path in written] == names
    for path in written:
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert min(image.size) >= 400
            assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    again = pictures.draw_all(*measured, curves, tmp_path / "second")
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in again]


def test_what_was_not_measured_is_not_drawn(measured: Measured, tmp_path: Path) -> None:
    """Without robustness, mistakes and a run there is nothing to draw of them."""
    report, cache, predictions = measured
    right = replace(cache, labels=predictions.argmax(1))
    written = pictures.draw_all(replace(report, robustness=None), right, predictions, None, tmp_path)
    assert [path.name for path in written] == ["confusion.png", "reliability.png"]
    assert sorted(tmp_path.iterdir()) == sorted(written)
    assert pictures.learning_curves([MetricsLine(1, 1, {"system/memory_mib": 1.0})]) is None


def test_the_confusion_matrix_shows_counts_and_shares(measured: Measured) -> None:
    """Each cell has its count and its share of the row; axes say which side is which."""
    report = measured[0]
    axes = pictures.confusion(report).axes[0]
    shown = [text.get_text() for text in axes.texts]
    counts = np.array(report.confusion)
    expected = [f"{100 * count / row.sum():.1f} %\n{count}" for row in counts for count in row]
    assert shown == expected
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["blue", "green", "red"]


def test_the_reliability_diagram_has_both_sides(measured: Measured) -> None:
    """The curves are the filled bins before and after scaling, with their errors; the histogram counts all galaxies."""
    report, cache, _ = measured
    top, bottom = pictures.reliability(report).axes
    for line, bins in zip(top.lines[1:], (report.reliability_before, report.reliability), strict=True):
        filled = [one for one in bins if one.images]
        assert np.array_equal(line.get_xdata(), [one.confidence for one in filled])
        assert np.array_equal(line.get_ydata(), [one.accuracy for one in filled])
    assert f"{report.figures['calibration_error']:.4f}" in str(top.lines[2].get_label())
    assert sum(bar.get_height() for bar in bottom.patches) == len(cache.labels)


def test_mistakes_are_the_most_confident_first(measured: Measured) -> None:
    """The grid shows wrong galaxies only, by falling confidence, each with class, answer and uid: as in the report."""
    report, cache, predictions = measured
    figure = pictures.mistakes(cache, predictions)
    assert figure is not None
    wrong = np.flatnonzero(predictions.argmax(1) != cache.labels)
    order = wrong[np.argsort(-predictions[wrong].max(1), kind="stable")]
    shown = [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes]
    shown = [title for title in shown if title]
    assert [title.splitlines()[2] for title in shown] == [cache.uids[index] for index in order]
    first = order[0]
    said, share = cache.classes[predictions[first].argmax()], predictions[first].max()
    assert shown[0].startswith(f"true: {cache.classes[cache.labels[first]]}\nsaid: {said} {100 * share:.0f} %")
    assert [one.uid for one in report.mistakes] == [cache.uids[index] for index in order]
    told = report.mistakes[0]
    assert (told.true, told.given) == (cache.classes[cache.labels[first]], said)
    assert told.confidence == pytest.approx(share, abs=1e-5)


def test_robustness_and_curves_show_their_points(measured: Measured) -> None:
    """Rotations go full circle; losses, score and learning rate stand against their steps."""
    report = measured[0]
    assert report.robustness is not None
    figure = pictures.robustness(report)
    assert figure is not None
    left, right = figure.axes
    assert list(left.lines[0].get_xdata()) == [*range(0, 360, 30), 360]
    assert list(right.lines[0].get_ydata()) == [point.accuracy for point in report.robustness.noise]
    curves = pictures.learning_curves(lines(4))
    assert curves is not None
    assert [axes.get_ylabel() for axes in curves.axes] == ["loss", "validation score", "learning rate"]
    assert list(curves.axes[0].lines[0].get_xdata()) == [10, 20, 30, 40]
    assert list(curves.axes[0].lines[1].get_ydata()) == [1.5, 0.75, 0.5, 0.375]


def test_matplotlib_is_imported_when_something_is_drawn() -> None:
    """Who only measures does not wait for matplotlib."""
    code = "import sys, training.evaluate; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
