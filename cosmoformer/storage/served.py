"""Which version of the model was served last, remembered in the results bucket.

A fresh process whose champion cannot be served goes back to that version, whatever has happened to aliases; and whoever asks how
things are learns which version is served, which one is named, and why they differ, without waking a function.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from cosmoformer.models.registry import ModelVersion
from cosmoformer.storage.store import Store
from cosmoformer.timestamps import rfc3339


@dataclass(frozen=True)
class Served:
    """The version that a classify process served last.

    Attributes:
        name: registered model.
        version: number of the version that is served.
        sha256: digest of its artifact.
        run_id: training run that made it.
        source: where the registry has the artifact.
        why: why this is not the champion; empty when it is.
        time: when, RFC 3339.
    """

    name: str
    version: int
    sha256: str
    run_id: str
    source: str
    why: str = ""
    time: str = ""

    def as_version(self) -> ModelVersion:
        """The version as the registry would give it."""
        return ModelVersion(self.name, self.version, self.run_id, self.source, self.sha256)


def of_version(version: ModelVersion, why: str = "") -> Served:
    """The record of a version that is served now."""
    time = rfc3339(datetime.now(UTC))
    return Served(version.name, version.version, version.sha256, version.run_id, version.source, why, time)


class ServedMemory:
    """The object ``SERVING_KEY`` of the results bucket.

    Args:
        store: the object store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._bucket, self._key = store.settings.results_bucket, store.settings.serving_key

    def read(self) -> Served | None:
        """What is remembered of the configured model; None when nothing is, or something else stands there.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        found = self._store.read_json(self._bucket, self._key)
        served = _served(found[0]) if found else None
        return served if served and served.name == self._store.settings.model_name else None

    def remember(self, served: Served) -> None:
        """Remember a version, unless that is what is remembered already.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        found = self._store.read_json(self._bucket, self._key)
        old = _served(found[0]) if found else None
        if old and (old.as_version(), old.why) == (served.as_version(), served.why):
            return
        # Of two processes that write at once either may win: both served what they say.
        self._store.write_json(self._bucket, self._key, asdict(served), replacing=found[1] if found else None)


def _served(document: Any) -> Served | None:
    try:
        served = Served(**document)
    except TypeError:
        return None
    return served if isinstance(served.version, int) and isinstance(served.sha256, str) else None
