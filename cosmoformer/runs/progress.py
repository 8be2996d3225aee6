"""How much of a training run's folder MLflow has, and the metric values that it lacks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cosmoformer.errors import PermanentError
from cosmoformer.models.registration import metric_entry, mlflow_name
from cosmoformer.runs.folder import METRICS_FILE, parse_line, whole_lines

METRICS_A_REQUEST = 1000  # limit of MLflow's runs/log-batch
_NOTHING = hashlib.sha256().hexdigest()


@dataclass
class Sent:
    """What MLflow has.

    Attributes:
        size: bytes of ``metrics.jsonl``.
        sha256: of these bytes.
        floors: step by metric; what the file says up to there MLflow has from before the run was resumed.
        artifacts: digest by path.
    """

    size: int = 0
    sha256: str = _NOTHING
    floors: dict[str, int] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, content: bytes) -> Sent:
        """What :meth:`as_json` wrote; nothing where that cannot be read, as sending again does no harm."""
        try:
            return cls(**json.loads(content))
        except (ValueError, TypeError):
            return cls()

    def as_json(self) -> bytes:
        """The content of a file."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Batch:
    """The metric values of some lines.

    Attributes:
        entries: as MLflow's REST API takes them. More than one request takes only if a single line has that many; none if
            MLflow has the values of these lines.
        size: bytes of ``metrics.jsonl`` that have been sent with it.
        sha256: of these bytes.
    """

    entries: list[dict[str, Any]]
    size: int
    sha256: str


def unsent(folder: Path, sent: Sent, latest: Mapping[str, int]) -> Iterator[Batch]:
    """The metric values of a run's folder that MLflow lacks.

    A run that is resumed takes back the lines after its checkpoint and writes those steps again. MLflow cannot forget values:
    the ones that it has of those steps stay, and are not sent a second time.

    Args:
        folder: the run's.
        sent: what MLflow has; its floors are set when lines were taken back.
        latest: highest step by metric in MLflow.

    Raises:
        PermanentError: a line is malformed.
    """
    content = whole_lines(folder)
    if hashlib.sha256(content[: sent.size]).hexdigest() != sent.sha256:
        sent.size, sent.sha256, sent.floors = 0, _NOTHING, dict(latest)
    size, hasher = sent.size, hashlib.sha256(content[: sent.size])
    entries: list[dict[str, Any]] = []
    for line in content[size:].splitlines(keepends=True):
        try:
            more = _entries(line, sent.floors)
        except ValueError as error:
            number = content[:size].count(b"\n") + 1
            raise PermanentError(f"{folder / METRICS_FILE}, line {number}: {error}", "Delete the line") from None
        if entries and len(entries) + len(more) > METRICS_A_REQUEST:
            yield Batch(entries, size, hasher.hexdigest())
            entries = []
        entries += more
        size += len(line)
        hasher.update(line)
    if size > sent.size:
        yield Batch(entries, size, hasher.hexdigest())


def _entries(line: bytes, floors: Mapping[str, int]) -> list[dict[str, Any]]:
    parsed = parse_line(line)
    named = {mlflow_name(name): value for name, value in parsed.metrics.items()}
    return [
        metric_entry(name, value, time=parsed.time, step=parsed.step)
        for name, value in named.items()
        if name not in floors or parsed.step > floors[name]
    ]
