"""Pictures of an evaluation and of a run, as PNG files: dark on light, in colours that colour-blind people can tell apart.

``matplotlib`` comes with the ``train`` extra, by way of ``mlflow``; it is imported when something is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cosmoformer.runs.folder import MetricsLine, parse_line
from training.evaluation.metrics import Bin, surest_mistakes
from training.evaluation.report import Point, Report
from training.evaluation.votes import VoteFigures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from training.data.cache import ImageCache

# Okabe & Ito (2008), "Color Universal Design": blue and vermillion; and a grey.
_BLUE, _RED, _GREY = "#0072b2", "#d55e00", "#767676"
_STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "font.size": 10,
    "grid.color": "#dddddd",
    "legend.frameon": False,
    "savefig.dpi": 130,
}
_VOTE_COLUMNS = 4
_LEAST_ASKED = 1.0  # the volunteers of one whole galaxy; a point of fewer would be their whims
_MISTAKES = (4, 5)  # rows and columns of the grid
#: Panels of the learning curves: the axis, and the metrics in it by their names in the legend.
_CURVES: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("loss", {"training": "epoch/train_loss", "validation": "val/loss"}),
    ("validation score", {"averaged weights": "val/score"}),
    ("learning rate", {"AdamW": "train/learning_rate"}),
)


def draw_all(
    report: Report, cache: ImageCache, predictions: NDArray[np.float64], metrics_file: Path | None, folder: Path
) -> list[Path]:
    """Draw every picture that there is something to show for.

    Args:
        report: what an evaluation found.
        cache: the images it was found on.
        predictions: float64 (N, classes), the probabilities of these images; not looked at where there are no classes.
        metrics_file: a run's ``metrics.jsonl``; None leaves the learning curves out.
        folder: where the files go; made if it is missing.

    Returns:
        The files that were written.
    """
    import matplotlib as mpl

    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(_STYLE):
        has_classes = bool(report.classes)
        figures = {
            "confusion": confusion(report) if has_classes else None,
            "reliability": reliability(report) if has_classes else None,
            "votes": votes(report.votes, _of_split(report.votes.images, report)) if report.votes else None,
            "mistakes": mistakes(cache, predictions) if has_classes else None,
            "robustness": robustness(report),
            "learning_curves": learning_curves(_lines(metrics_file)) if metrics_file else None,
        }
        written = []
        for name, figure in figures.items():
            if figure is not None:
                written.append(folder / f"{name}.png")
                _save(figure, written[-1])
    return written


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Software": None})  # the same picture is the same file


def confusion(report: Report) -> Figure:
    """The confusion matrix: shares of the true class as colour and number, counts below."""
    counts = np.array(report.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = _names(one.name for one in report.classes)
    side = 2.5 + 0.9 * len(names)
    figure = _figure(side + 1, side)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        axes.text(
            column, row, f"{100 * shares[row, column]:.1f} %\n{counts[row, column]:,}", ha="center", va="center", fontsize=9,
            color="white" if shares[row, column] > 0.5 else "black",
        )  # fmt: skip
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted class", ylabel="true class", title=f"Confusion, {_sample(report)}")
    axes.grid(visible=False)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    return figure


def reliability(report: Report) -> Figure:
    """Accuracy against confidence, before and after temperature scaling, above how often each confidence is given."""
    figure = _figure(6, 7)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    top.plot([0, 1], [0, 1], color=_GREY, linestyle="--", label="perfectly calibrated")
    figures = report.figures
    sides = (
        ("before temperature scaling", report.reliability_before, figures["calibration_error_before"], _RED, "s", ":"),
        ("as answered", report.reliability, figures["calibration_error"], _BLUE, "o", "-"),
    )
    for told, bins, error, colour, marker, line in sides:
        filled = [one for one in bins if one.images]
        top.plot(
            [one.confidence for one in filled], [one.accuracy for one in filled],
            color=colour, marker=marker, linestyle=line, label=f"{told}\n(expected calibration error {error:.4f})",
        )  # fmt: skip
    top.set(ylabel="accuracy", ylim=(-0.02, 1.02), title=f"Reliability, {_sample(report)}")
    top.legend(loc="lower right")
    _histogram(bottom, report.reliability)
    return figure


def _histogram(axes: Axes, bins: Sequence[Bin]) -> None:
    lows, widths = [one.low for one in bins], [one.high - one.low for one in bins]
    axes.bar(lows, [one.images for one in bins], widths, align="edge", color=_BLUE, edgecolor="white")
    axes.set(xlabel="confidence (probability of the predicted class)", ylabel="galaxies", xlim=(0, 1))


def draw_votes(found: VoteFigures, sample: str, path: Path) -> None:
    """Draw :func:`votes` into a PNG file."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        _save(votes(found, sample), path)


def votes(found: VoteFigures, sample: str) -> Figure:
    """Told against voted fractions, question by question; large points are of many volunteers, and those of less than a
    galaxy's are left out.

    Args:
        found: what was measured.
        sample: which galaxies, in words.
    """
    columns = _VOTE_COLUMNS
    rows = -(-len(found.questions) // columns)
    figure = _figure(2.6 * columns, 2.8 * rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(found.questions) :]:
        axes.axis("off")
    for axes, one in zip(grid.flat, found.questions, strict=False):
        bins = [each for each in one.reliability if each.asked >= _LEAST_ASKED]
        most = max((each.asked for each in bins), default=1.0)
        axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--")
        axes.plot([each.predicted for each in bins], [each.voted for each in bins], color=_BLUE)
        sizes = [4 + 60 * each.asked / most for each in bins]
        axes.scatter([each.predicted for each in bins], [each.voted for each in bins], s=sizes, color=_BLUE)
        axes.set_title(f"{one.name}\n(calibration error {one.calibration_error:.3f})", fontsize=8)
    figure.supxlabel("told fraction of those asked")
    figure.supylabel("volunteers' fraction")
    figure.suptitle(f"Reliability of vote fractions, {sample}")
    return figure


def mistakes(cache: ImageCache, predictions: NDArray[np.float64]) -> Figure | None:
    """The wrong predictions with the highest confidence, as a grid; None when nothing is wrong."""
    order = surest_mistakes(predictions, cache.labels)
    if not len(order):
        return None
    rows, columns = _MISTAKES
    rows = min(rows, -(-len(order) // columns))
    names = _names(cache.classes)
    figure = _figure(2.4 * columns, 2.9 * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, index in zip(grid.flat, order, strict=False):
        axes.imshow(np.asarray(cache.pixels[index]))
        said, share = names[int(predictions[index].argmax())], predictions[index].max()
        axes.set_title(
            f"true: {names[cache.labels[index]]}\nsaid: {said} {100 * share:.0f} %\n{cache.uids[index]}", fontsize=8
        )
    figure.suptitle(f"The most confident of {len(order):,} mistakes among {len(cache.labels):,} galaxies")
    return figure


def robustness(report: Report) -> Figure | None:
    """Accuracy against rotation and noise; None when that was not measured."""
    if (found := report.robustness) is None:
        return None
    figure = _figure(10, 4)
    left, right = figure.subplots(1, 2, sharey=True)
    around = (*found.rotation, Point(360.0, found.rotation[0].accuracy))
    left.plot([point.at for point in around], [point.accuracy for point in around], color=_BLUE, marker="o")
    left.set(xlabel="rotation, degrees", ylabel="accuracy", xticks=range(0, 361, 60))
    left.set_title(f"Rotation, {found.images:,} galaxies")
    noise = [100 * point.at for point in found.noise]
    right.plot(noise, [point.accuracy for point in found.noise], color=_RED, marker="s")
    right.set(
        xlabel="standard deviation of the noise, % of full scale", title=f"Gaussian noise, {found.images:,} galaxies"
    )
    low = min(point.accuracy for point in (*found.rotation, *found.noise))
    left.set_ylim(max(0, low - 0.05), 1.0)
    return figure


def learning_curves(lines: Sequence[MetricsLine]) -> Figure | None:
    """Losses, validation score and learning rate against steps; None when none of them is recorded."""
    panels = [
        (label, {told: values for told, name in metrics.items() if (values := _series(lines, name))[0]})
        for label, metrics in _CURVES
    ]
    panels = [panel for panel in panels if panel[1]]
    if not panels:
        return None
    figure = _figure(8, 2.6 * len(panels))
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)
    for axes, (label, series) in zip(grid.flat, panels, strict=True):
        for (told, (steps, points)), colour in zip(series.items(), (_BLUE, _RED), strict=False):
            axes.plot(steps, points, color=colour, label=told, marker="." if len(steps) < 50 else "")
        axes.set_ylabel(label)
        axes.legend()
    grid[0, 0].set_title("Learning curves")
    grid[-1, 0].set_xlabel("steps")
    return figure


def _series(lines: Sequence[MetricsLine], name: str) -> tuple[list[int], list[float]]:
    found = [(line.step, line.metrics[name]) for line in lines if name in line.metrics]
    return [step for step, _ in found], [value for _, value in found]


def _lines(path: Path) -> list[MetricsLine]:
    return [parse_line(line) for line in path.read_bytes().splitlines() if line]


def _figure(width: float, height: float) -> Figure:
    """An empty figure, inches, that no window and no global list of figures knows of."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _names(classes: Iterable[str]) -> list[str]:
    return [name.replace("_", " ") for name in classes]


def _sample(report: Report) -> str:
    return _of_split(report.conditions.images, report)


def _of_split(images: int, report: Report) -> str:
    return f"{images:,} galaxies of the {report.conditions.split} split"
