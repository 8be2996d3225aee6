"""Feature vectors on their way to the bucket: kept by the way, and written in the background, many at once.

An object for each image would cost a request an image, which is a tenth of all work on it. No result waits for this or fails
with it: while the store does not take them vectors wait, so many at most, and a process that is killed loses those of its last
seconds.
"""

from __future__ import annotations

import logging
import threading

from cosmoformer.errors import StoreRefused
from cosmoformer.models.registry import ModelIdentity
from cosmoformer.settings import Settings
from cosmoformer.storage.features import Seen, by_folder, document, new_key
from cosmoformer.storage.store import Store

log = logging.getLogger(__name__)
_EVERY_S = 4.0
_MOST_WAITING = 20_000
_MOST_ROWS = 2000  # of an object: two megabytes of vectors of the usual length
_LAST_WORDS_S = 5.0
_LONGEST_WAIT_S = 300.0  # between tries while the store does not take them


class Features:
    """Vectors that wait to be written.

    Args:
        settings: ``FEATURES_PREFIX`` says where; where it is empty, nothing is kept.
        store: has the results bucket.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store
        self._waiting: list[tuple[ModelIdentity, Seen]] = []
        self._changing = threading.Lock()
        self._some, self._stopped = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Write from now on what is kept, in a thread of its own."""
        if self._settings.features_prefix:
            self._thread = threading.Thread(target=self._follow, name="features", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread, which writes what is left a last time."""
        self._stopped.set()
        self._some.set()
        if self._thread is not None:
            self._thread.join(_LAST_WORDS_S)

    def keep(self, model: ModelIdentity, image: Seen) -> None:
        """Have a vector written soon; the oldest go where too many wait."""
        if self._thread is None:
            return
        with self._changing:
            self._waiting.append((model, image))
            del self._waiting[:-_MOST_WAITING]
        self._some.set()

    def _follow(self) -> None:
        pause_s = _EVERY_S
        while not self._stopped.is_set():
            self._some.wait()  # an idle process leaves the store alone
            self._stopped.wait(pause_s)
            self._some.clear()
            pause_s = _EVERY_S if self._write() else min(2 * pause_s, _LONGEST_WAIT_S)
        self._write()  # what was kept while the thread was writing

    def _write(self) -> bool:
        """Write what waits; whether the store was there for it."""
        with self._changing:
            rows, self._waiting = self._waiting, []
        taken = True
        for model in dict.fromkeys(model for model, _ in rows):
            for folder, images in by_folder(self._settings, (row for of, row in rows if of == model)).items():
                for start in range(0, len(images), _MOST_ROWS):
                    taken &= self._write_object(folder, model, images[start : start + _MOST_ROWS])
        return taken

    def _write_object(self, folder: str, model: ModelIdentity, images: list[Seen]) -> bool:
        bucket, key = self._settings.results_bucket, new_key(self._settings, folder, model.sha256)
        try:
            self._store.write_json(bucket, key, document(model, images), replacing=None, indent=None)
        except StoreRefused as error:  # to try again would change nothing
            log.warning("features are lost", extra={"images": len(images), "problem": str(error)})
        except Exception as error:  # whatever it was, it costs no result
            log.warning("features are not kept yet", extra={"images": len(images), "problem": str(error)})
            with self._changing:
                self._waiting = [(model, image) for image in images] + self._waiting
            self._some.set()
            return False
        return True
