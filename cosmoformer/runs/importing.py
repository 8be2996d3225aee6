"""Training runs in MLflow: what a run's folder holds, brought there whole, without the ``mlflow`` package.

Training records to a folder (:mod:`cosmoformer.runs.folder`) whether MLflow can be reached or not. Importing that folder is the
only way into MLflow: afterwards, or while it grows (:class:`cosmoformer.runs.mirror.Mirror`). An import can be interrupted and
repeated at any time; a tag tells which MLflow run is the folder's, and a file among its artifacts what it has been sent.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from cosmoformer.models.registration import experiment_id, mlflow_name
from cosmoformer.models.registry import Registry
from cosmoformer.runs import folder as run_folder
from cosmoformer.runs.files import RunFiles, artifact_root
from cosmoformer.runs.folder import RunInfo
from cosmoformer.runs.progress import METRICS_A_REQUEST, Sent, unsent

RUN_TAG = "cosmoformer.run_id"  # tag of an MLflow run that holds the id of run.json
SENT_FILE = "imported.json"  # among an MLflow run's artifacts: what it has been sent
RESUMED_TAG = "resumed."  # start of the tag that holds a parameter's later value
_NOTE_TAG = "mlflow.note.content"
_PAIRS_A_REQUEST = 100  # limits of MLflow
_PARAM_LENGTH, _TAG_LENGTH, _DATASET_DIGEST_LENGTH = 6000, 8000, 36


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Attributes:
        info: the run.
        run_id: MLflow's id of it.
        url: its page.
        values: how many metric values were sent.
        files: how many artifacts were sent.
    """

    info: RunInfo
    run_id: str
    url: str
    values: int
    files: int


def import_size(folder: Path) -> int:
    """Bytes that an import goes through, of metrics and artifacts."""
    return len(run_folder.whole_lines(folder)) + sum(
        file.stat().st_size for _, file in run_folder.artifact_files(folder)
    )


class RunImport:
    """Brings a run's folder into MLflow; each call brings what has been added since.

    Args:
        registry: where to; the experiment is ``MODEL_NAME``.
        folder: the run's.
        advance: called with the number of bytes processed, out of :func:`import_size`.
    """

    def __init__(self, registry: Registry, folder: Path, advance: Callable[[int], object] = lambda _: None) -> None:
        self.registry, self.folder, self._advance = registry, folder, advance
        self._digests: dict[str, tuple[tuple[int, ...], str]] = {}  # by path, with what shows that a file was replaced

    def __call__(self) -> Imported:
        """Import what MLflow lacks.

        Raises:
            RegistryUnavailable: MLflow does not answer; what it has been sent stays, and the next call goes on.
            PermanentError: the folder is no run's, or MLflow refuses a name in it.
        """
        run_folder.read_run(self.folder)
        with _alone(self.folder):
            # Read before metrics and artifacts, written after them: a run that MLflow shows as finished is whole there.
            info = run_folder.read_run(self.folder)
            run = self._find_or_create(info)
            self._describe(info, run)
            sent = self._sent(run)
            values, done = self._send_metrics(run, sent)
            files = self._send_artifacts(run, sent, done)
            self._set_status(info, run)
        run_id, experiment = run["info"]["run_id"], run["info"]["experiment_id"]
        url = f"{self.registry.url}/#/experiments/{experiment}/runs/{run_id}"
        return Imported(info, run_id, url, values, files)

    def _find_or_create(self, info: RunInfo) -> dict[str, Any]:
        experiment = experiment_id(self.registry)
        found = self.registry.post(
            "runs/search", experiment_ids=[experiment], filter=f"tags.`{RUN_TAG}` = '{info.id}'", max_results=1
        ).get("runs")
        if found:
            return dict(found[0])
        created = self.registry.post(
            "runs/create",
            experiment_id=experiment,
            run_name=info.run,
            start_time=run_folder.milliseconds(info.started),
            tags=_pairs({RUN_TAG: info.id}),
        )
        return dict(created["run"])

    def _describe(self, info: RunInfo, run: Mapping[str, Any]) -> None:
        """Send parameters, tags and the version of the data."""
        run_id, data = run["info"]["run_id"], run["data"]
        params = {mlflow_name(name): value[:_PARAM_LENGTH] for name, value in info.params.items()}
        known = _mapping(data.get("params", []))
        known_tags = _mapping(data.get("tags", []))
        tags = self._tags(info)
        if (
            card := run_folder.read_card(self.folder)
        ) and _NOTE_TAG not in known_tags:  # people edit it on the run's page
            tags[_NOTE_TAG] = card[:_TAG_LENGTH]
        for name, value in params.items():  # MLflow cannot change a parameter
            if known.get(name, value) != value:
                tags[f"{RESUMED_TAG}{name}"] = value
        for pairs in _chunks(
            _pairs({name: value for name, value in params.items() if name not in known}), _PAIRS_A_REQUEST
        ):
            self.registry.post("runs/log-batch", run_id=run_id, params=pairs)
        changed = {name: value for name, value in tags.items() if known_tags.get(name) != value}
        for pairs in _chunks(_pairs(changed), _PAIRS_A_REQUEST):
            self.registry.post("runs/log-batch", run_id=run_id, tags=pairs)
        self._name_data_set(info, run)

    def _tags(self, info: RunInfo) -> dict[str, str]:
        """The run's tags, and those of MLflow's that its pages show in places of their own."""
        tags = {mlflow_name(name): value for name, value in info.tags.items()}
        tags |= {"mlflow.source.type": "LOCAL", "mlflow.source.name": "cosmoformer train"}
        if commit := info.tags.get(run_folder.COMMIT_TAG):
            tags["mlflow.source.git.commit"] = commit
        return {name: value[:_TAG_LENGTH] for name, value in tags.items()}

    def _name_data_set(self, info: RunInfo, run: Mapping[str, Any]) -> None:
        digest = info.tags.get(run_folder.DATA_VERSION_TAG, "")[:_DATASET_DIGEST_LENGTH]
        known = [entry["dataset"]["digest"] for entry in run.get("inputs", {}).get("dataset_inputs", [])]
        if not digest or digest in known:
            return
        name = info.tags.get(run_folder.TASK_TAG) or "training data"
        dataset = {"name": name, "digest": digest, "source_type": "local", "source": "{}"}
        entry = {"dataset": dataset, "tags": _pairs({"mlflow.data.context": "training"})}
        self.registry.post("runs/log-inputs", run_id=run["info"]["run_id"], datasets=[entry])

    def _sent(self, run: Mapping[str, Any]) -> Sent:
        content = RunFiles(self.registry, run).read(SENT_FILE)
        return Sent() if content is None else Sent.read(content)

    def _save(self, run: Mapping[str, Any], sent: Sent) -> None:
        self.registry.upload(f"{artifact_root(run)}/{SENT_FILE}", sent.as_json())

    def _send_metrics(self, run: Mapping[str, Any], sent: Sent) -> tuple[int, int]:
        """How many values were sent, and how many bytes of lines MLflow has now."""
        latest = {metric["key"]: int(metric.get("step", 0)) for metric in run["data"].get("metrics", [])}
        count = 0
        for batch in unsent(self.folder, sent, latest):
            # Sent again after an interruption here, a value equal in all is the same one to MLflow.
            for entries in _chunks(batch.entries, METRICS_A_REQUEST):
                self.registry.post("runs/log-batch", run_id=run["info"]["run_id"], metrics=entries)
            count += len(batch.entries)
            sent.size, sent.sha256 = batch.size, batch.sha256
            self._save(run, sent)
            self._advance(sent.size)
        return count, sent.size

    def _send_artifacts(self, run: Mapping[str, Any], sent: Sent, done: int) -> int:
        """How many files were sent."""
        count = 0
        for path, file in run_folder.artifact_files(self.folder):
            try:
                opened = _Told(file, self._advance, done)
            except FileNotFoundError:  # taken away since it was listed
                continue
            with opened:  # it stays the same file to its end, even if another takes its place
                digest = self._digest(path, opened)
                if sent.artifacts.get(path) != digest:
                    self.registry.upload(f"{artifact_root(run)}/{path}", opened)
                    sent.artifacts[path] = digest
                    self._save(run, sent)
                    count += 1
                done += os.fstat(opened.fileno()).st_size
            self._advance(done)
        return count

    def _digest(self, path: str, file: FileIO) -> str:
        about = os.fstat(file.fileno())
        shape = (about.st_ino, about.st_size, about.st_mtime_ns)
        known = self._digests.get(path)
        if known is None or known[0] != shape:
            known = self._digests[path] = shape, hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
        return known[1]

    def _set_status(self, info: RunInfo, run: Mapping[str, Any]) -> None:
        ended = (
            run_folder.milliseconds(info.ended) if info.ended else 0
        )  # 0 takes an end back, of a run that was resumed
        about = run["info"]
        if (about["status"], int(about.get("end_time", 0))) != (info.status, ended):
            self.registry.post("runs/update", run_id=about["run_id"], status=info.status, end_time=ended)


class _Told(FileIO):
    """A file opened for reading that tells how far it has been read, on top of what was done before."""

    def __init__(self, path: Path, told: Callable[[int], object], before: int) -> None:
        super().__init__(path)
        self._told, self._before = told, before

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(-1 if size is None else size)
        self._told(self._before + self.tell())
        return content or b""


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: of two imports at once, both would make a run."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems lock no folder
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def _mapping(pairs: list[dict[str, str]]) -> dict[str, str]:
    return {pair["key"]: pair["value"] for pair in pairs}


def _chunks(entries: list[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    return (entries[start : start + size] for start in range(0, len(entries), size))
