"""How a model of galaxy classes fares on other surveys, at other sizes of the galaxy in the frame, and in other colours."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from cosmoformer.cpus import cpu_limit
from cosmoformer.images.decoding import decode, of_pixels
from cosmoformer.images.framing import Framing
from cosmoformer.images.picture import Limits
from cosmoformer.models.artifact import Artifact, Metadata
from cosmoformer.models.outputs import DOMAIN
from cosmoformer.models.prediction import preprocess
from training.evaluation.domain import BELOW
from training.evaluation.inference import in_batches

SURVEYS = Path(__file__).parents[1] / "surveys.toml"
ZOOMS = (0.7, 0.85, 1.0, 1.2, 1.5, 1.8, 2.2)
#: What red, green and blue are multiplied by.
COLOURS: Mapping[str, tuple[float, float, float]] = {
    "redder": (1.15, 1.0, 0.85),
    "bluer": (0.85, 1.0, 1.15),
    "brighter": (1.3, 1.3, 1.3),
    "fainter": (0.7, 0.7, 0.7),
}
GREY = "grey"
LIMITS = Limits(image_bytes=2**30, image_pixels=2**28)
_DIGITS, _Z95 = 4, 1.959964
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Galaxy:
    """One galaxy of a survey.

    Attributes:
        content: its image file.
        accept: classes that are right for it; empty where none is.
    """

    content: bytes
    accept: frozenset[str]


@dataclass(frozen=True)
class Survey:
    """Galaxies of a survey, and how they are framed.

    Attributes:
        name: of the survey.
        shown: side of its images here, as a share of the side of what a user would have.
        galaxies: those that are measured on.
        drawn: places of those that are shown in every way, in order.
    """

    name: str
    shown: float
    galaxies: tuple[Galaxy, ...]
    drawn: tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """What a model does with some galaxies of a survey, or with all of them shown in one way.

    Attributes:
        name: which, such as ``zoom 1.5``, ``redder`` or the class that they were given.
        images: how many there are.
        accuracy: share of those with a right class that get it; None where none has one.
        low: of its 95 % interval (Wilson 1927); None likewise.
        high: likewise.
        confidence: mean probability of the most probable class, of the same galaxies.
        flagged: share of all galaxies that are marked as no galaxy; None for a model that marks none.
    """

    name: str
    images: int
    accuracy: float | None
    low: float | None
    high: float | None
    confidence: float | None
    flagged: float | None


Groups = tuple[Group, ...]


@dataclass(frozen=True)
class SurveyFigures:
    """What a model does with one survey.

    Attributes:
        name: of the survey.
        images: how many galaxies there are.
        with_class: how many of them have a right class.
        shown: some of them by zoom, then by colour at zoom 1.
        by_class: all at zoom 1 by the class that the model gave: confidence against accuracy is its calibration.
        by_size: likewise by quarters of the half-light radius in the frame, from the smallest.
        by_brightness: likewise by quarters of the mean brightness within that radius, from the faintest.
    """

    name: str
    images: int
    with_class: int
    shown: Groups
    by_class: Groups
    by_size: Groups
    by_brightness: Groups


def read_surveys(folder: Path, most: int = 0, table: Path = SURVEYS) -> list[Survey]:
    """The surveys whose files a folder has.

    Args:
        folder: of the parquet files.
        most: galaxies of each that are shown in every way, drawn at random; 0 for all.
        table: which surveys there are, as ``training/surveys.toml``.

    Raises:
        ValueError: the folder has files of none.
    """
    found = []
    for row in tomllib.loads(table.read_text(encoding="utf-8"))["survey"]:
        galaxies = [
            Galaxy(member["image"], _accepted(member, row["rules"]))
            for path in sorted(folder.glob(row["files"]))
            for member in pq.read_table(path).to_pylist()
            if member.get("split") in row["splits"]
        ]
        if galaxies:
            order = np.random.default_rng(0).permutation(len(galaxies))[: most or None]
            found.append(Survey(row["name"], row.get("shown", 1.0), tuple(galaxies), tuple(sorted(order.tolist()))))
    if not found:
        raise ValueError(f"{folder} has none of the files that {table.name} names")
    return found


def _accepted(labels: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    for rule in rules:
        if all(_fits(labels.get(column), wanted) for column, wanted in rule.items() if column != "accept"):
            return frozenset(rule["accept"])
    return frozenset()


def _fits(label: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return label is not None and wanted[0] <= label <= wanted[1]
    return bool(label == wanted)


def survey_figures(model: Artifact, survey: Survey) -> SurveyFigures:
    """Measure a model on a survey, shown in each way.

    Raises:
        ValueError: the model has no classes.
    """
    if not model.metadata.classes:
        raise ValueError(f"a model of {model.metadata.task} has no classes; give one of clean5")
    everything, drawn = np.arange(len(survey.galaxies)), np.array(survey.drawn)
    plain = _outputs(model, survey, everything, "all", 1.0, _as_it_is)
    outputs = {}
    for zoom in ZOOMS:
        name = f"zoom {zoom:g}"
        outputs[name] = plain[drawn] if zoom == 1 else _outputs(model, survey, drawn, name, zoom, _as_it_is)
    for name, gains in COLOURS.items():
        outputs[name] = _outputs(model, survey, drawn, name, 1.0, _gains(gains))
    outputs[GREY] = _outputs(model, survey, drawn, GREY, 1.0, _grey)
    judged = Judged(model.metadata, survey.galaxies)
    some = Judged(model.metadata, [survey.galaxies[place] for place in drawn])
    given = np.array(model.metadata.classes)[plain[:, : len(model.metadata.classes)].argmax(axis=1)]
    light = np.array([light_of(decode(galaxy.content, LIMITS).pixels) for galaxy in survey.galaxies])
    return SurveyFigures(
        survey.name,
        len(survey.galaxies),
        int(judged.has_class.sum()),
        tuple(some.group(name, one) for name, one in outputs.items()),
        tuple(judged.group(name, plain, given == name) for name in model.metadata.classes if (given == name).any()),
        judged.quarters(plain, light[:, 0] * survey.shown, "{:.3f} to {:.3f} of the side"),
        judged.quarters(plain, light[:, 1], "{:.0f} to {:.0f} of 255"),
    )


def _outputs(
    model: Artifact,
    survey: Survey,
    places: NDArray[np.int64],
    shown: str,
    zoom: float,
    change: Callable[[Pixels], Pixels],
) -> NDArray[np.float64]:
    framing = Framing(zoom * survey.shown)

    def judge(batch: NDArray[np.int64]) -> NDArray[np.float64]:
        pictures = [decode(survey.galaxies[number].content, LIMITS).pixels for number in batch]
        answers = [model.predict(preprocess(of_pixels(change(one), framing).pixels)) for one in pictures]
        return torch.cat(answers).double().numpy()

    return in_batches(judge, places, cpu_limit(), f"{survey.name}, {shown}")


class Judged:
    """Figures of a model's outputs for some galaxies."""

    def __init__(self, metadata: Metadata, galaxies: Sequence[Galaxy]) -> None:
        self._metadata, self._galaxies = metadata, galaxies
        self.has_class = np.array([bool(galaxy.accept) for galaxy in galaxies])

    def group(self, name: str, outputs: NDArray[np.float64], chosen: NDArray[np.bool_] | None = None) -> Group:
        """Those that are chosen, bool (N,), or all; ``outputs`` (N, names) are of all."""
        chosen = np.ones(len(self._galaxies), bool) if chosen is None else chosen
        shares = outputs[:, : len(self._metadata.classes)]
        best = (self._metadata.classes[place] for place in shares.argmax(axis=1))
        right = np.array([one in galaxy.accept for one, galaxy in zip(best, self._galaxies, strict=True)])
        flagged, rated = None, chosen & self.has_class
        if DOMAIN in self._metadata.values:
            flagged = _rounded((outputs[chosen, self._metadata.names.index(DOMAIN.name)] < BELOW).mean())
        if not rated.any():
            return Group(name, int(chosen.sum()), None, None, None, None, flagged)
        interval = wilson(int(right[rated].sum()), int(rated.sum()))
        confidence = _rounded(shares[rated].max(axis=1).mean())
        return Group(name, int(chosen.sum()), _rounded(right[rated].mean()), *interval, confidence, flagged)

    def quarters(self, outputs: NDArray[np.float64], measure: NDArray[np.float64], told: str) -> Groups:
        """Four groups of as many galaxies, by something measured of each, float64 (N,)."""
        edges = np.quantile(measure, (0, 0.25, 0.5, 0.75, 1))
        place = np.searchsorted(edges[1:-1], measure, side="right")
        return tuple(
            self.group(told.format(edges[number], edges[number + 1]), outputs, place == number)
            for number in range(4)
            if (place == number).any()
        )


def light_of(pixels: Pixels) -> tuple[float, float]:
    """How large and how bright what is in the middle of a picture is.

    The sky is the median of the edges, and what rises above it by less than three times their spread is none of the galaxy's
    light.

    Returns:
        The radius around the centre that holds half of the light within half a side, as a share of the side; and the mean of
        the light within that radius, in levels of 255.
    """
    grey = pixels.mean(axis=2)
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    sky = float(np.median(edge))
    light = grey - sky
    light[light < 3 * 1.4826 * float(np.median(np.abs(edge - sky)))] = 0
    side = len(grey)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    radius = np.hypot(x, y).ravel()
    order = np.argsort(radius)
    order = order[radius[order] <= side / 2]
    grown = np.cumsum(light.ravel()[order])
    if grown[-1] <= 0:
        return 0.0, 0.0
    half = int(np.searchsorted(grown, grown[-1] / 2))
    return float(radius[order[half]]) / side, float(grown[half]) / (half + 1)


def wilson(right: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share, ``right`` of ``total`` (Wilson 1927)."""
    share, weight = right / total, _Z95**2 / total
    centre = (share + weight / 2) / (1 + weight)
    half = _Z95 / (1 + weight) * float(np.sqrt(share * (1 - share) / total + weight / (4 * total)))
    return _rounded(max(centre - half, 0.0)), _rounded(min(centre + half, 1.0))


def _as_it_is(pixels: Pixels) -> Pixels:
    return pixels


def _gains(gains: tuple[float, float, float]) -> Callable[[Pixels], Pixels]:
    return lambda pixels: np.clip(np.round(pixels * np.array(gains)), 0, 255).astype(np.uint8)


def _grey(pixels: Pixels) -> Pixels:
    return np.repeat(np.round(pixels.mean(axis=2, keepdims=True)).astype(np.uint8), 3, axis=2)


def _rounded(value: float | np.floating) -> float:
    return round(float(value), _DIGITS)


def figures_of(members: Mapping[str, Any]) -> SurveyFigures:
    """The figures of which these are the members, as a record has them."""
    groups = {name: tuple(Group(**one) for one in value) for name, value in members.items() if isinstance(value, list)}
    return SurveyFigures(**{**members, **groups})
