"""What all benchmarks share: options, interleaved rounds, medians with quartiles, goals, and the files of results."""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Figure:
    """One measured quantity.

    Attributes:
        median: of the samples.
        q1: first quartile.
        q3: third quartile.
        n: number of samples.
        unit: "s", "1/s", "MB", "" for a ratio or a count.
    """

    median: float
    q1: float
    q3: float
    n: int
    unit: str


@dataclass(frozen=True)
class Goal:
    """Something that must be reached.

    Attributes:
        what: in words.
        value: measured; not a number where it could not be measured.
        limit: what it is compared with.
        at_least: whether the value must be at least the limit; else at most.
    """

    what: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def is_reached(self) -> bool:
        """Whether the value is on the right side of the limit."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass
class Report:
    """What one benchmark found out.

    Attributes:
        name: of its module.
        title: one line for people.
        options: what it was called with.
        figures: by variant and name of the quantity.
        goals: in order.
        notes: sentences that a reader of the figures needs.
        data: anything else that other programs read (distributions, series).
        busy_before: share of the machine's CPU time that others used when it began.
    """

    name: str
    title: str
    options: Mapping[str, Any]
    figures: dict[str, dict[str, Figure]] = field(default_factory=dict)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    busy_before: float = field(default_factory=machine.busy)

    def add(self, variant: str, quantity: str, samples: Sequence[float], unit: str) -> None:
        """Add a figure."""
        self.figures.setdefault(variant, {})[quantity] = summarise(samples, unit)

    def median(self, variant: str, quantity: str) -> float:
        """A figure's median; not a number where it was not measured."""
        figure = self.figures.get(variant, {}).get(quantity)
        return figure.median if figure else math.nan

    def document(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine.describe() | {"busy_before": round(self.busy_before, 2)},
            "options": dict(self.options),
            "figures": {v: {q: asdict(f) for q, f in found.items()} for v, found in self.figures.items()},
            "goals": [_finite(asdict(goal)) | {"reached": goal.is_reached} for goal in self.goals],
            "notes": self.notes,
            "data": self.data,
        }


def _finite(members: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in members.items()
    }


def summarise(samples: Sequence[float], unit: str) -> Figure:
    """Median and quartiles (inclusive method) of samples.

    Raises:
        ValueError: there are none.
    """
    if not samples:
        raise ValueError("a figure needs at least one sample, got none")
    if len(samples) == 1:
        return Figure(samples[0], samples[0], samples[0], 1, unit)
    q1, median, q3 = statistics.quantiles(samples, n=4, method="inclusive")
    return Figure(median, q1, q3, len(samples), unit)


def interleaved(rounds: int, variants: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Samples of each variant, one a round; the variant that begins changes with each round.

    So a machine that slows down for a while slows all of them.
    """
    names = list(variants)
    samples: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            samples[name].append(variants[name]())
    return samples


def ratio(samples: Sequence[float], reference: Sequence[float]) -> float:
    """Median of the rounds' ratios."""
    return statistics.median(ours / theirs for ours, theirs in zip(samples, reference, strict=True))


def timed(action: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds that an action takes, by a clock."""
    started = clock()
    action()
    return clock() - started


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least this share of all do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def parser(name: str, about: str) -> argparse.ArgumentParser:
    """The options of all benchmarks."""
    made = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=about)
    made.add_argument(
        "--quick", action="store_true", help="seconds instead of minutes: shows that it works, not how fast"
    )
    made.add_argument("--out", type=Path, default=RESULTS, help="folder of the results (default: %(default)s)")
    return made


def write(report: Report, folder: Path) -> Path:
    """Write a report and renew the table of all; the report's file."""
    from benchmarks import table

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.name}.json"
    path.write_text(json.dumps(report.document(), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    table.renew(folder)
    print(table.of_report(json.loads(path.read_text())))
    return path


def read(name: str, folder: Path = RESULTS) -> dict[str, Any]:
    """A benchmark's last report.

    Raises:
        FileNotFoundError: it has not been run; the message says how to.
    """
    path = folder / f"{name}.json"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run `python -m benchmarks.{name}` first")
    found: dict[str, Any] = json.loads(path.read_text())
    return found
