"""The record of a run: a folder on the run's own disk that is whole whenever the run ends, and however.

Nothing here needs a network; ``cosmoformer import-run`` or a :class:`cosmoformer.runs.mirror.Mirror` brings the folder into
MLflow.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import torch

from cosmoformer.cpus import cpu_limit
from cosmoformer.errors import PermanentError
from cosmoformer.runs.folder import (
    ARTIFACTS,
    COMMIT_TAG,
    METRICS_FILE,
    RUN_FILE,
    MetricsLine,
    RunInfo,
    Status,
    parse_line,
    read_run,
)
from cosmoformer.timestamps import rfc3339

_PROBE = Path(__file__).with_name("__init__.py")  # a file that every checkout has under version control
_GIT_TIMEOUT_S = 20


class RunRecord:
    """Writes a run's folder (:mod:`cosmoformer.runs.folder`).

    A folder that holds a run already is gone on with: the run keeps its id, name and start. Half a line, as a killed process
    leaves it, is dropped.

    Args:
        folder: made if it is missing.
        name: of the run, for people.
        params: what was asked of the run.
        tags: what was found out about it; no host names, no paths.

    Attributes:
        folder: as given.
        info: what ``run.json`` says.
        step: step of the last figures; 0 before the first.

    Raises:
        PermanentError: another process is writing this folder, or its ``run.json`` is malformed.
    """

    def __init__(self, folder: Path, name: str, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        self.folder = folder
        (folder / ARTIFACTS).mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()  # the system's figures come from a thread of their own
        self._lines = _open_alone(folder / METRICS_FILE)
        self.step = _cut(self._lines, None)
        info = RunInfo(name, uuid.uuid4().hex, _now(), None, "RUNNING", dict(params), dict(tags))
        if (folder / RUN_FILE).exists():
            before = read_run(folder)
            info = replace(info, run=before.run, id=before.id, started=before.started, tags=before.tags | info.tags)
        self._write(info)

    def log(self, step: int | None, metrics: Mapping[str, float]) -> None:
        """Append figures.

        Args:
            step: optimiser steps done, never less than before; None is the step that the run is at.
            metrics: value by name, such as ``train/loss``. NaN and infinities are figures too.

        Raises:
            ValueError: the step goes back, or the run is finished.
        """
        with self._lock:
            step = self.step if step is None else step
            if step < self.step:
                raise ValueError(f"expected figures of step {self.step} or later, got step {step}")
            values = {name: float(value) for name, value in metrics.items()}
            line = MetricsLine(step, time.time_ns() // 1_000_000, values)
            self._lines.write(line.as_json().encode())
            self._lines.flush()
            self.step = step

    def truncate_after(self, step: int) -> None:
        """Take back the figures of later steps, which a run that goes on from a checkpoint will write again."""
        with self._lock:
            self.step = _cut(self._lines, step)

    def artifact(self, source: Path | tuple[str, bytes]) -> None:
        """Keep a file with the run; one of the same name is replaced.

        Args:
            source: a file, or a folder with all that is in it, which keeps its name; or a name and content. A name may lie in
                folders (``pictures/confusion.png``).

        Raises:
            ValueError: the name leads out of the run's artifacts.
            FileNotFoundError: there is no such file.
        """
        if isinstance(source, tuple):
            self._keep(*source)
        elif source.is_dir():
            for path in sorted(source.rglob("*")):
                if path.is_file():
                    self._keep(f"{source.name}/{path.relative_to(source).as_posix()}", path)
        else:
            self._keep(source.name, source)

    def _keep(self, name: str, content: bytes | Path) -> None:
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts or not relative.parts:
            raise ValueError(f"expected a name below the run's artifacts, got {name!r}")
        target = self.folder / ARTIFACTS / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:  # whoever reads meanwhile sees the old file or the new one
            scratch = self.folder / f"{relative.name}.tmp"
            if isinstance(content, Path):
                shutil.copyfile(content, scratch)
            else:
                scratch.write_bytes(content)
            scratch.replace(target)

    def finish(self, status: Status) -> None:
        """Note how the run ended; nothing can be logged any more."""
        with self._lock:
            self._write(replace(self.info, ended=_now(), status=status))
            self._lines.close()

    def _write(self, info: RunInfo) -> None:
        scratch = self.folder / f"{RUN_FILE}.tmp"
        with scratch.open("w", encoding="utf-8") as file:
            file.write(info.as_json())
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(self.folder / RUN_FILE)
        self.info = info


def _open_alone(path: Path) -> BinaryIO:
    """Open a file for appending, with its lock, which goes with the process."""
    file = path.open("a+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise PermanentError(
            f"{path.parent} is being written by another run", "Wait for it, or give another folder"
        ) from None
    except OSError:  # some network file systems know no locks
        pass
    return file


def _cut(lines: BinaryIO, last_step: int | None) -> int:
    """Drop what comes after a step, and all from the first line that is none.

    Returns:
        Step of the last line that stays; 0 when none does.
    """
    lines.seek(0)
    size, step = 0, 0
    for line in lines:
        try:
            parsed = parse_line(line) if line.endswith(b"\n") else None
        except ValueError:  # a power failure may leave anything
            parsed = None
        if parsed is None or (last_step is not None and parsed.step > last_step):
            break
        size, step = size + len(line), parsed.step
    lines.truncate(size)
    return step


def _now() -> str:
    return rfc3339(datetime.now(UTC))


def environment_tags(device: torch.device) -> dict[str, str]:
    """What a run's figures may depend on beside its parameters: versions of code, Python and torch, and the device.

    Nothing that tells which machine it was: a record can be published as it is.
    """
    cuda = device.type == "cuda"
    return {
        **_code_tags(),
        "python_version": platform.python_version(),
        "torch_version": torch.__version__,
        "cuda_version": torch.version.cuda or "none",
        "device": torch.cuda.get_device_name(device) if cuda else f"{device.type} ({platform.machine()})",
        "devices": str(torch.cuda.device_count()) if cuda else "1",
        "cpus": str(cpu_limit()),
    }


def _code_tags() -> dict[str, str]:
    """The package's version and, in a checkout, its commit and whether files differ from it."""
    try:
        tags = {"code_version": version("cosmoformer")}
    except PackageNotFoundError:
        tags = {"code_version": "unknown"}
    # An installed package may lie within somebody else's checkout: only one that tracks this package counts.
    if _git("ls-files", "--error-unmatch", str(_PROBE)) and (commit := _git("rev-parse", "HEAD")):
        tags |= {COMMIT_TAG: commit, "code_changed": str(bool(_git("status", "--porcelain"))).lower()}
    return tags


def _git(*arguments: str) -> str:
    """What git prints in this package's folder; empty when it fails or is not installed."""
    program = shutil.which("git")
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, *arguments], cwd=_PROBE.parent, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=True
        )
    except (subprocess.SubprocessError, OSError):
        return ""
    return done.stdout.strip()
