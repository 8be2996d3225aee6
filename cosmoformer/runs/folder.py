"""A training run's folder: the record that training leaves on its own disk, wherever it runs.

    run.json        one :class:`RunInfo`
    metrics.jsonl   one :class:`MetricsLine` a line
    artifacts/      files and folders that belong to the run

``training.loop.record`` writes it, :mod:`cosmoformer.runs.importing` brings it into MLflow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from cosmoformer.errors import PermanentError

RUN_FILE, METRICS_FILE, ARTIFACTS = "run.json", "metrics.jsonl", "artifacts"
MODEL_FILE, REPORT_FILE, CARD_FILE = "model.pt", "report.json", "card.md"  # artifacts that registering asks for
DATA_VERSION_TAG, TASK_TAG, COMMIT_TAG = "data_version", "task", "code_commit"  # tags that MLflow has a place for
Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]
_ID_DIGITS = 32


@dataclass(frozen=True)
class RunInfo:
    """What ``run.json`` holds.

    Attributes:
        run: name, for people.
        id: 32 hexadecimal digits that no other run has.
        started: RFC 3339.
        ended: RFC 3339; None while it runs, and when it was killed without a chance to say so.
        status: in MLflow's terms, such as RUNNING or FINISHED.
        params: what was asked of the run.
        tags: what was found out about it: versions of code and data, device.
    """

    run: str
    id: str
    started: str
    ended: str | None
    status: Status
    params: dict[str, str]
    tags: dict[str, str]

    def as_json(self) -> str:
        """The text of ``run.json``."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class MetricsLine:
    """Figures of one moment.

    Attributes:
        step: optimiser steps done; the one axis of every metric.
        time: milliseconds since 1970.
        metrics: value by name.
    """

    step: int
    time: int
    metrics: dict[str, float]

    def as_json(self) -> str:
        """The line, with its end."""
        return json.dumps(asdict(self), ensure_ascii=False) + "\n"


def read_run(folder: Path) -> RunInfo:
    """What ``run.json`` of a folder says.

    Raises:
        PermanentError: the folder is no run's, or its ``run.json`` is malformed.
    """
    path = folder / RUN_FILE
    try:
        info = RunInfo(**json.loads(path.read_text(encoding="utf-8")))
        _check(info)
    except FileNotFoundError:
        raise PermanentError(
            f"{folder} is no training run: it has no {RUN_FILE}", "Name the run's own folder"
        ) from None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise PermanentError(f"{path} is no record of a training run: {error}", "Restore it from a copy") from None
    return info


def _check(info: RunInfo) -> None:
    if len(info.id) != _ID_DIGITS or set(info.id) - set("0123456789abcdef"):
        raise ValueError(f"expected {_ID_DIGITS} hexadecimal digits as id, got {info.id!r}")
    if info.status not in get_args(Status):
        raise ValueError(f"expected one of {', '.join(get_args(Status))} as status, got {info.status!r}")
    for moment in (info.started, info.ended or info.started):
        datetime.fromisoformat(moment)
    for name, value in [*info.params.items(), *info.tags.items()]:
        if not isinstance(value, str):
            raise ValueError(f"expected text as {name}, got {value!r}")


def milliseconds(moment: str) -> int:
    """An RFC 3339 time as milliseconds since 1970."""
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


def whole_lines(folder: Path) -> bytes:
    """``metrics.jsonl`` up to the end of its last whole line; a run under way, or killed, may have half of one more."""
    try:
        content = (folder / METRICS_FILE).read_bytes()
    except FileNotFoundError:
        return b""
    return content[: content.rfind(b"\n") + 1]


def parse_line(line: bytes) -> MetricsLine:
    """One line of ``metrics.jsonl``.

    Raises:
        ValueError: it is no such line.
    """
    try:
        members: dict[str, Any] = json.loads(line)
        metrics = {str(name): float(value) for name, value in members["metrics"].items()}
        return MetricsLine(int(members["step"]), int(members["time"]), metrics)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f'expected {{"step": …, "time": …, "metrics": {{…}}}}, got {line[:80]!r}') from None


def artifact_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file below ``artifacts/``, in order: its path there, with slashes, and where it is."""
    root = folder / ARTIFACTS
    for path in sorted(root.rglob("*")):
        if path.is_file():
            yield path.relative_to(root).as_posix(), path


def read_card(folder: Path) -> str:
    """The model card among the artifacts, Markdown; empty when there is none."""
    try:
        return (folder / ARTIFACTS / CARD_FILE).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def report_subject(report: bytes) -> str:
    """Digest of the artifact that a ``report.json`` is of; empty when it names none, or is no report."""
    try:
        return str(json.loads(report)["model"]["sha256"])
    except (ValueError, KeyError, TypeError):
        return ""
