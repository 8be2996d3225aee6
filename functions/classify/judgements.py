"""Predictions by image digest: no image is predicted twice by the same model.

A judgement is known by the digests of the file and of the artifact. A process keeps its latest ones in memory, and every few
seconds brings them together with those of other processes in one object of the results bucket: an object for each judgement
would cost two requests an image, which is a tenth of all work on it. It is only ever a short cut: what is not found, or not
yet, is predicted.
"""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cosmoformer.images.picture import DECODING
from cosmoformer.images.sky import NOWHERE, Sky
from cosmoformer.settings import Settings
from cosmoformer.storage.store import Store
from functions.classify import metrics

log = logging.getLogger(__name__)
_EVERY_S = 10.0
_PATIENCE_S = 0.5  # of the first image, which may come before the bucket has been read
_LAST_WORDS_S = 5.0  # to write at the end; what is lost costs a prediction each
_ATTEMPTS = 3


@dataclass(frozen=True)
class Judgement:
    """A model's prediction for a file's bytes, and the properties of the picture in it.

    Attributes:
        outputs: of the artifact, by name: probabilities of classes, or the values of another task.
        width: of the picture as it came, pixels.
        height: likewise.
        format: file format, such as JPEG.
        conversions: what was done to make it 8-bit square RGB, in order.
        zoom: side of the picture over the side that was shown.
        sky: what the file says of the object and its place.
        features: the model's feature vector, float16, the least significant byte first; empty for a model without.
    """

    outputs: Mapping[str, float]
    width: int
    height: int
    format: str
    conversions: tuple[str, ...]
    zoom: float = 1.0
    sky: Sky = NOWHERE
    features: bytes = b""


@dataclass(frozen=True)
class _Entry:
    """A judgement, when it was last asked for (seconds since the epoch), and whether the bucket may have it."""

    judgement: Judgement
    asked: float
    shared: bool


_Key = tuple[str, str]  # SHA-256 of the artifact and of the file, and how the picture was framed


class Judgements:
    """The latest judgements of this process and of those it shares a bucket with.

    Args:
        settings: ``JUDGEMENTS_KEY`` names the object in the results bucket, ``REMEMBERED_JUDGEMENTS`` bounds it and the memory.
        store: has the bucket.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store
        self._known: OrderedDict[_Key, _Entry] = OrderedDict()  # the one asked for last is last
        self._changing = threading.Lock()
        self._asked = self._unsaved = False
        self._thread: threading.Thread | None = None
        self._read, self._stopped = threading.Event(), threading.Event()

    def start(self) -> None:
        """Share with other processes from now on, in a thread of its own."""
        if self._settings.judgements_key:
            self._thread = threading.Thread(target=self._follow, name="judgements", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread, which writes what is new a last time."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(_LAST_WORDS_S)

    def find(self, model: str, image: str, *, shared: bool) -> Judgement | None:
        """An artifact's earlier prediction for a file, or None when there is none.

        Args:
            model: SHA-256 of the artifact.
            image: SHA-256 of the file, and how it was framed.
            shared: whether other processes may know that this one knows it.
        """
        if self._thread is not None and not self._read.is_set():
            self._read.wait(_PATIENCE_S)
            self._read.set()  # the next one does not wait
        self._asked = True
        with self._changing:
            entry = self._known.get((model, image))
        if entry is None:
            return None
        self.keep(model, image, entry.judgement, shared=shared or entry.shared)
        metrics.KNOWN.inc()
        return entry.judgement

    def keep(self, model: str, image: str, judgement: Judgement, *, shared: bool) -> None:
        """Remember a judgement.

        Args:
            model: SHA-256 of the artifact.
            image: SHA-256 of the file, and how it was framed.
            judgement: the artifact's prediction for it.
            shared: whether other processes get it.
        """
        with self._changing:
            before = self._known.get((model, image))
            self._unsaved |= shared and not (before and before.shared)
            self._known[(model, image)] = _Entry(judgement, time.time(), shared)
            self._known.move_to_end((model, image))
            self._trim()

    def _trim(self) -> None:
        while len(self._known) > self._settings.remembered_judgements:
            self._known.popitem(last=False)

    def _follow(self) -> None:
        while not self._stopped.is_set():
            self._asked = False
            self._share()
            self._read.set()
            self._stopped.wait(_EVERY_S)
            while not (self._asked or self._unsaved or self._stopped.wait(_EVERY_S)):
                pass  # an idle process leaves the store alone
        if self._unsaved:
            self._share()

    def _share(self) -> None:
        """Read what others wrote, and write it again with what is new here."""
        try:
            for _ in range(_ATTEMPTS):
                found = self._store.read_json(self._settings.results_bucket, self._settings.judgements_key)
                document, etag = found or (None, None)
                self._merge(_entries(document))
                if not self._unsaved or self._write(etag):
                    return
        except Exception as error:  # whatever it was, it costs predictions
            log.info("judgements are not shared", extra={"problem": str(error)})

    def _merge(self, found: Iterable[tuple[_Key, _Entry]]) -> None:
        with self._changing:
            for key, entry in found:
                own = self._known.get(key)
                if own is None or own.asked < entry.asked:
                    self._known[key] = entry
            self._known = OrderedDict(sorted(self._known.items(), key=lambda item: item[1].asked))
            self._trim()

    def _write(self, replacing: str | None) -> bool:
        """Whether the object is ours now; not when another process has written since we read."""
        with self._changing:
            shared = [(key, entry) for key, entry in self._known.items() if entry.shared]
            self._unsaved = False
        document = [
            {
                "model": model,
                "image": image,
                "decoding": DECODING,
                "asked": round(entry.asked, 3),
                **_told(entry.judgement),
            }
            for (model, image), entry in shared
        ]
        written = None
        try:
            written = self._store.write_json(
                self._settings.results_bucket,
                self._settings.judgements_key,
                document,
                replacing=replacing,
                indent=None,
            )
        finally:
            if not written:
                self._unsaved = True
        return written is not None


def _told(judgement: Judgement) -> dict[str, Any]:
    return asdict(judgement) | {"features": base64.b64encode(judgement.features).decode()}


def _entries(document: Any) -> list[tuple[_Key, _Entry]]:
    """The judgements in an object; what is none, somebody else's, is left out."""
    if not isinstance(document, list):
        return []
    return [entry for member in document if (entry := _entry(member))]


def _entry(member: Any) -> tuple[_Key, _Entry] | None:
    try:
        if member["decoding"] != DECODING:  # of another release, to which the same file showed other pixels
            return None
        outputs = {str(name): float(output) for name, output in member["outputs"].items()}
        size = int(member["width"]), int(member["height"])
        conversions, zoom = tuple(map(str, member["conversions"])), float(member.get("zoom", 1))
        sky, features = Sky(**member.get("sky", {})), base64.b64decode(member.get("features", ""), validate=True)
        judgement = Judgement(outputs, *size, str(member["format"]), conversions, zoom, sky, features)
        return (str(member["model"]), str(member["image"])), _Entry(judgement, float(member["asked"]), True)
    except (TypeError, KeyError, ValueError, AttributeError):
        return None
