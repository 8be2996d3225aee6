"""What has been said of the same bytes before: no image is predicted twice by the same model.

A judgement is known by the digests of the file and of the artifact, and is kept in the memory of the process and, small, in the
results bucket, where other processes find it. It is only ever a short cut: what cannot be read or written is predicted.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cosmoformer.errors import CosmoFormerError
from cosmoformer.settings import Settings
from cosmoformer.store import Store
from functions.classify import metrics

log = logging.getLogger(__name__)
_TO_WRITE = 64  # judgements that wait to be written; more are only remembered


@dataclass(frozen=True)
class Judgement:
    """What a model says of a file's bytes, and what these were found to be.

    Attributes:
        probabilities: by class name; they sum to 1.
        width: of the picture as it came, pixels.
        height: likewise.
        format: file format, such as JPEG.
        conversions: what was done to make it 8-bit square RGB, in order.
    """

    probabilities: Mapping[str, float]
    width: int
    height: int
    format: str
    conversions: tuple[str, ...]


class Judgements:
    """The judgements that this process has made or found.

    Args:
        settings: ``DIGESTS_PREFIX`` says where in the results bucket they are kept, ``REMEMBERED_JUDGEMENTS`` how many in memory.
        store: has the bucket.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store
        self._known: OrderedDict[tuple[str, str], Judgement] = OrderedDict()
        self._changing = threading.Lock()
        self._writes: queue.Queue[tuple[str, Judgement]] = queue.Queue(_TO_WRITE)
        self._writer: threading.Thread | None = None

    def find(self, model: str, image: str, *, shared: bool) -> Judgement | None:
        """What an artifact said of a file, or None when nobody remembers.

        Args:
            model: SHA-256 of the artifact.
            image: SHA-256 of the file.
            shared: whether to look into the bucket as well.
        """
        with self._changing:
            if known := self._known.get((model, image)):
                self._known.move_to_end((model, image))
        if known is None and shared and (known := self._read(model, image)) is not None:
            self._remember(model, image, known)
        if known is not None:
            metrics.KNOWN.inc()
        return known

    def keep(self, model: str, image: str, judgement: Judgement, *, shared: bool) -> None:
        """Remember a judgement; if it is shared the bucket gets it a moment later."""
        self._remember(model, image, judgement)
        if not shared or not self._settings.digests_prefix:
            return
        try:
            self._writes.put_nowait((self._key(model, image), judgement))
        except queue.Full:
            return  # the store is slower than the model; this one is predicted again elsewhere
        with self._changing:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_all, name="judgements", daemon=True)
                self._writer.start()

    def _remember(self, model: str, image: str, judgement: Judgement) -> None:
        with self._changing:
            self._known[(model, image)] = judgement
            while len(self._known) > self._settings.remembered_judgements:
                self._known.popitem(last=False)

    def _key(self, model: str, image: str) -> str:
        return f"{self._settings.digests_prefix}{model}/{image}.json"

    def _read(self, model: str, image: str) -> Judgement | None:
        if not self._settings.digests_prefix:
            return None
        try:
            found = self._store.read_json(self._settings.results_bucket, self._key(model, image))
        except CosmoFormerError as error:
            log.info("no judgement can be looked up", extra={"problem": str(error)})
            return None
        return _judgement(found[0]) if found else None

    def _write_all(self) -> None:
        while True:
            key, judgement = self._writes.get()
            try:
                self._store.write_json(self._settings.results_bucket, key, asdict(judgement), replacing=None)
            except Exception as error:  # whatever it was, it costs one prediction elsewhere
                log.info("a judgement was not kept", extra={"problem": str(error)})


def _judgement(document: Any) -> Judgement | None:
    try:
        shares = {str(name): float(share) for name, share in document["probabilities"].items()}
        size = int(document["width"]), int(document["height"])
        return Judgement(shares, *size, str(document["format"]), tuple(map(str, document["conversions"])))
    except (TypeError, KeyError, ValueError, AttributeError):
        return None  # somebody else's object
