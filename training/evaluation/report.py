"""What an evaluation found: a JSON document, with flat figures for a tracking server in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cosmoformer.errors import ModelRefused
from cosmoformer.models.artifact import Metadata, metadata_of
from training.evaluation.domain import DomainFigures, domain_of
from training.evaluation.footprint import Footprint
from training.evaluation.inclination import InclinationFigures, inclination_of
from training.evaluation.metrics import Bin
from training.evaluation.votes import VoteFigures, votes_of

DIGITS = 5


def rounded(value: float) -> float:
    """A figure as it is written everywhere."""
    return round(float(value), DIGITS)


@dataclass(frozen=True, kw_only=True)
class Subject(Metadata):
    """The artifact that was evaluated: its metadata, and

    Attributes:
        sha256: digest of the file.
        parameters: numbers that training could change.
    """

    sha256: str
    parameters: int


@dataclass(frozen=True)
class Conditions:
    """What, beside artifact and images, the figures depend on.

    Attributes:
        split: the split that was measured.
        set: its version (``ImageCache.version``).
        images: how many galaxies it has.
        skipped: images of it that could not be read.
        device: where changed images were judged: ``cpu``, or the kind of accelerator.
        batch: images at once.
        resamples: draws of the bootstrap.
        bins: of the reliability diagram.
        seed: of resamples and subset.
        torch: its version.
        sample: task whose galaxies these are; empty is the model's own.
    """

    split: str
    set: str
    images: int
    skipped: int
    device: str
    batch: int
    resamples: int
    bins: int
    seed: int
    torch: str
    sample: str = ""


@dataclass(frozen=True)
class ClassFigures:
    """How well one class is found; ``f1_low`` and ``f1_high`` are the ends of its 95 % interval."""

    name: str
    images: int
    precision: float
    recall: float
    f1: float
    f1_low: float
    f1_high: float


@dataclass(frozen=True)
class Mistake:
    """A galaxy that was given a wrong class.

    Attributes:
        uid: of the galaxy.
        true: its class.
        given: the class that it was given.
        confidence: with this probability.
    """

    uid: str
    true: str
    given: str
    confidence: float


@dataclass(frozen=True)
class Point:
    """Accuracy at a rotation in degrees, or at noise of a standard deviation in units of full scale."""

    at: float
    accuracy: float


@dataclass(frozen=True)
class Robustness:
    """Accuracy of a random part of the split under changes of its images.

    Attributes:
        images: how many galaxies.
        rotation: in degrees, counter-clockwise.
        noise: Gaussian.
    """

    images: int
    rotation: tuple[Point, ...]
    noise: tuple[Point, ...]


@dataclass(frozen=True)
class Views:
    """A random part of the split without and with test-time augmentation.

    Attributes:
        count: views of each galaxy.
        images: how many galaxies.
        without: figures of one view each, by name.
        with_views: figures of the mean over all views.
        gain: how much higher the accuracy is with views; None for a model without classes.
        gain_low: lower end of its 95 % interval (paired bootstrap).
        gain_high: upper end.
    """

    count: int
    images: int
    without: dict[str, float]
    with_views: dict[str, float]
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None


@dataclass(frozen=True)
class Report:
    """Everything that an evaluation found.

    Attributes:
        model: what was evaluated.
        conditions: on what, and how.
        tags: of a registered version: task, data version, run and, of the test split, the evidence for the promotion gate
            (:class:`cosmoformer.models.gate.HeldOut`).
        metrics: the figures of the whole split and those under changes, by flat name.
        classes: by class, in the order of the model's outputs; this and what follows is empty where there are none.
        confusion: galaxies of each class (row) that were given each class (column).
        reliability_before: reliability diagram without temperature scaling.
        reliability: the same with it, as the artifact answers.
        mistakes: those that the model was surest of, the surest first.
        robustness: None where it was not measured.
        views: None likewise.
        votes: how well vote fractions are told; None for a model or images without any.
        inclination: how well inclinations are told; None likewise.
        domain: how well galaxies are told from what is none; None for a model that does not tell.
        prediction_ms: what a prediction takes one thread, of its own time, milliseconds, the median of several images one at a
            time; None where it was not measured.
        batch_image_ms: what an image of a batch takes one thread, likewise; a batch has as many as the conditions say.
        footprint: bytes of the file and of memory; None likewise.
    """

    model: Subject
    conditions: Conditions
    tags: dict[str, str]
    metrics: dict[str, float]
    classes: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...]
    reliability_before: tuple[Bin, ...]
    reliability: tuple[Bin, ...]
    mistakes: tuple[Mistake, ...] = ()
    robustness: Robustness | None = None
    views: Views | None = None
    votes: VoteFigures | None = None
    inclination: InclinationFigures | None = None
    domain: DomainFigures | None = None
    prediction_ms: float | None = None
    batch_image_ms: float | None = None
    footprint: Footprint | None = None

    @property
    def sample(self) -> str:
        """The task whose galaxies were measured."""
        return self.conditions.sample or self.model.task

    def to_json(self) -> str:
        """The document that :func:`read` reads."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @property
    def figures(self) -> dict[str, float]:
        """The flat figures without the split's name in front of them."""
        prefix = f"{self.conditions.split}_"
        return {name.removeprefix(prefix): value for name, value in self.metrics.items()}


def read(path: Path) -> Report:
    """Read a report.

    Raises:
        ValueError: the file is none.
    """
    try:
        members = json.loads(path.read_text(encoding="utf-8"))
        return _from(members)
    except (ValueError, KeyError, TypeError, AttributeError, ModelRefused) as error:
        raise ValueError(f"{path} is no report of training.evaluate ({error}): evaluate the artifact again") from None


def _from(members: Mapping[str, Any]) -> Report:
    robustness, views = members["robustness"], members["views"]
    votes, inclination, domain = (members.get(name) for name in ("votes", "inclination", "domain"))
    return Report(
        model=_subject(members["model"]),
        conditions=Conditions(**members["conditions"]),
        tags=members["tags"],
        metrics=members["metrics"],
        classes=tuple(ClassFigures(**one) for one in members["classes"]),
        confusion=tuple(tuple(row) for row in members["confusion"]),
        reliability_before=tuple(Bin(**one) for one in members["reliability_before"]),
        reliability=tuple(Bin(**one) for one in members["reliability"]),
        mistakes=tuple(Mistake(**one) for one in members.get("mistakes", ())),
        robustness=None
        if robustness is None
        else Robustness(robustness["images"], _points(robustness["rotation"]), _points(robustness["noise"])),
        views=None if views is None else Views(**views),
        votes=None if votes is None else votes_of(votes),
        inclination=None if inclination is None else inclination_of(inclination),
        domain=None if domain is None else domain_of(domain),
        prediction_ms=members.get("prediction_ms"),
        batch_image_ms=members.get("batch_image_ms"),
        footprint=None if (taken := members.get("footprint")) is None else Footprint(**taken),
    )


def _subject(members: Mapping[str, Any]) -> Subject:
    own = {name: members[name] for name in ("sha256", "parameters")}
    # A report from before there were several formats does not name the first.
    metadata = metadata_of({"format": 1} | {name: members[name] for name in members if name not in own})
    return Subject(**vars(metadata), **own)


def _points(members: list[dict[str, float]]) -> tuple[Point, ...]:
    return tuple(Point(**one) for one in members)
