"""Which model is served: the version an alias names, fetched, checked, warmed and swapped in without a pause.

A process asks MLflow for the alias when it starts and again every ``MODEL_RECHECK_SECONDS``. A new version is downloaded,
compared with its digest, loaded and self-checked beside the one that serves; only then does one assignment swap them. A version
that fails is refused, loudly, and not tried again by this process. A fresh process whose champion is refused serves the
version under ``MODEL_FALLBACK_ALIAS`` instead.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from cosmoformer.errors import ModelNotReady, ModelRefused, RegistryUnavailable
from cosmoformer.models import artifact
from cosmoformer.models.artifact import Artifact
from cosmoformer.models.registry import ModelVersion, Registry
from cosmoformer.settings import Settings
from functions.classify import metrics
from functions.classify.start_times import StartTimes
from functions.classify.torch_import import import_torch
from functions.runtime.process_clock import CLOCK
from functions.runtime.start import torch_threads

log = logging.getLogger(__name__)
_KEPT_ARTIFACTS = 4
_FIRST_RETRY_S, _LAST_RETRY_S = 0.5, 15.0


@dataclass(frozen=True)
class Served:
    """A model version that is ready to predict."""

    version: ModelVersion
    artifact: Artifact


class ModelServing:
    """Keeps the served model in step with the registry.

    Args:
        settings: names the model, its aliases, the cache folder and the interval.
        registry: where the alias is resolved and artifacts are downloaded.
        times: notes how long the phases of the first load take.
    """

    def __init__(self, settings: Settings, registry: Registry, times: StartTimes | None = None) -> None:
        self._settings, self._registry = settings, registry
        self._times = times or StartTimes(CLOCK)
        self._served: Served | None = None
        self._refused: dict[tuple[int, str], str] = {}
        self._problem = "the model has not been loaded yet"
        self._refreshing = threading.Lock()
        self._wake, self._stopped = threading.Event(), False

    def start(self) -> None:
        """Load the model and follow the alias, in a thread of its own."""
        threading.Thread(target=self._follow, name="model-serving", daemon=True).start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped = True
        self._wake.set()

    def recheck(self) -> None:
        """Ask the registry soon, instead of at the next interval."""
        self._wake.set()

    def current(self) -> Served:
        """The model to predict with.

        Raises:
            ModelNotReady: none has been loaded yet; the message says why.
        """
        if self._served is None:
            raise ModelNotReady(self._problem)
        return self._served

    def _follow(self) -> None:
        retry = _FIRST_RETRY_S
        while not self._stopped:
            try:
                self.refresh()
            except Exception as error:  # whatever it was, this thread must go on following the alias
                self._problem = f"unexpected {type(error).__name__}: {error}"
                log.exception("the model could not be refreshed", extra={"serving": self._serving()})
            ready = self._served is not None
            self._wake.wait(self._settings.model_recheck_seconds if ready else retry)
            retry = min(2 * retry, _LAST_RETRY_S)
            self._wake.clear()

    def refresh(self) -> None:
        """Serve what the alias names now, if that can be had and passes its checks."""
        with self._refreshing:
            try:
                self._advance(self._settings.model_alias)
            except ModelRefused as error:
                self._problem = str(error)
                if self._served is None:
                    self._fall_back()
            except RegistryUnavailable as error:
                self._problem = str(error)
                log.warning("registry unavailable", extra={"problem": str(error), "serving": self._serving()})

    def _fall_back(self) -> None:
        try:
            self._advance(self._settings.model_fallback_alias)
        except (ModelRefused, RegistryUnavailable) as error:
            self._problem += f"; and no fallback: {error}"
            log.error("no model can be served", extra={"problem": self._problem})

    def _advance(self, alias: str) -> None:
        with self._times.phase("alias"):
            version = self._registry.resolve(alias)
        if (
            self._served
            and self._served.version.version == version.version
            and self._served.version.sha256 == version.sha256
        ):
            return
        identity = (version.version, version.sha256)
        if identity in self._refused:
            raise ModelRefused(self._refused[identity])
        try:
            served = self._load(version)
        except ModelRefused as error:
            self._refused[identity] = str(error)
            metrics.MODEL_REFUSED.labels(model_version=str(version.version)).inc()
            log.error(
                "model version refused",
                extra={"model_version": version.version, "why": str(error), "serving": self._serving()},
            )
            raise
        self._swap(served, alias)

    def _load(self, version: ModelVersion) -> Served:
        started = time.perf_counter()
        with self._times.phase("download"):
            content = self._fetch(version)
        downloaded = time.perf_counter()
        # As many predictions at once as CPUs: oversubscribed, each would cost ten times the CPU.
        set_threads(torch_threads(self._settings))
        imported = time.perf_counter()
        loaded = artifact.load(content)
        finished = time.perf_counter()
        self._times.took("load", finished - imported - loaded.self_check_seconds)
        self._times.took("warm_up", loaded.self_check_seconds)
        metrics.MODEL_LOAD_SECONDS.labels(phase="fetch").observe(downloaded - started)
        metrics.MODEL_LOAD_SECONDS.labels(phase="load_and_check").observe(finished - downloaded)
        return Served(version, loaded)

    def _swap(self, served: Served, alias: str) -> None:
        before = self._served.version if self._served else None
        self._served = served
        self._times.reached("model")
        metrics.serving(served.version, alias, before)
        log.info(
            "serving model",
            extra={
                "model_version": served.version.version,
                "alias": alias,
                "sha256": served.artifact.sha256,
                "before": before.version if before else None,
            },
        )

    def _serving(self) -> int | None:
        return self._served.version.version if self._served else None

    def _fetch(self, version: ModelVersion) -> bytes:
        """The artifact's bytes, from the cache folder or the registry, equal to the version's digest."""
        if not version.sha256:
            raise ModelRefused(
                f"version {version.version} has no tag {'sha256'!r}",
                "Register it with `cosmoformer register`, or set the tag",
            )
        path = Path(self._settings.model_cache_dir) / f"{version.sha256}.pt"
        if (cached := _read(path)) is not None and artifact.digest(cached) == version.sha256:
            return cached
        content = self._registry.download(version)
        if (got := artifact.digest(content)) != version.sha256:
            raise ModelRefused(
                f"version {version.version}: its artifact has the digest {got}, its tag says {version.sha256}",
                "It was changed after it was registered: register it again",
            )
        self._keep(path, content)
        return content

    def _keep(self, path: Path, content: bytes) -> None:
        """Write to the cache; a cache that cannot be written costs time, nothing else."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch = path.with_name(f".{path.name}.{threading.get_ident()}")
            scratch.write_bytes(content)
            scratch.replace(path)
            for old in sorted(path.parent.glob("*.pt"), key=lambda kept: -kept.stat().st_mtime)[_KEPT_ARTIFACTS:]:
                old.unlink(missing_ok=True)
        except OSError as error:
            log.warning("the model cache cannot be written", extra={"folder": str(path.parent), "problem": str(error)})


def set_threads(count: int) -> None:
    """Have torch use as many threads for one prediction, in whichever thread it runs. Waits for the import of torch."""
    import_torch()
    import torch

    torch.set_num_threads(count)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
