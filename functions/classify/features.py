"""Feature vectors on their way to the bucket."""

from __future__ import annotations

from collections.abc import Sequence

from cosmoformer.models.registry import ModelIdentity
from cosmoformer.settings import Settings
from cosmoformer.storage.features import Seen, by_folder, document, folder_of, new_key
from cosmoformer.storage.store import Store
from functions.classify.background import Background

_EVERY_S = 4.0
_Row = tuple[ModelIdentity, Seen]


class Features:
    """Vectors that wait to be written.

    Args:
        settings: ``FEATURES_PREFIX`` says where; where it is empty, nothing is kept.
        store: has the results bucket.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store
        self._background = Background("features", self._write, self._split, _EVERY_S)

    def start(self) -> None:
        """Write from now on what is kept."""
        if self._settings.features_prefix:
            self._background.start()

    def stop(self) -> None:
        """Write what is left, and no more."""
        self._background.stop()

    def keep(self, model: ModelIdentity, image: Seen) -> None:
        """Have a vector written soon."""
        self._background.keep((model, image))

    def _split(self, rows: Sequence[_Row]) -> list[list[_Row]]:
        """Vectors of one model and one folder each."""
        return [
            [(model, image) for image in images]
            for model in dict.fromkeys(model for model, _ in rows)
            for images in by_folder(self._settings, (row for of, row in rows if of == model)).values()
        ]

    def _write(self, rows: Sequence[_Row]) -> None:
        [(model, image), *_] = rows
        key = new_key(self._settings, folder_of(self._settings, image.key), model.sha256)
        found = document(model, [row for _, row in rows])
        self._store.write_json(self._settings.results_bucket, key, found, replacing=None, indent=None)
