"""The library: all images of which the results bucket has vectors by one model, with an index of them on this machine.

It is read once and kept in ``LIKENESS_CACHE_DIR``; afterwards only what is new in the bucket is read. Where something was deleted
there (``cosmoformer prune``), or the files here are not whole, everything is read again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cosmoformer.errors import InvalidRequest
from cosmoformer.likeness.index import Index, Neighbour
from cosmoformer.parallel import map_stream
from cosmoformer.storage.features import BYTES, Seen, is_of, listed, model_in, rows_of
from cosmoformer.storage.store import Store
from cosmoformer.terminal import console, progress

_INDEX, _IMAGES = "vectors.usearch", "images.json"
_PARALLEL = 8


@dataclass
class _Known:
    """What was read of the bucket.

    Attributes:
        length: of the vectors; 0 while there is none.
        objects: keys of the objects that were read.
        images: key and eTag of each image, by its number in the index; None where another took its place.
    """

    length: int = 0
    objects: list[str] = field(default_factory=list)
    images: list[list[str] | None] = field(default_factory=list)


class Library:
    """Images and their vectors, up to date when it is opened.

    Args:
        store: has the vectors.
        model: the digest of the model that they are by, or its start.

    Raises:
        PermanentError: usearch is not installed.
        StoreUnavailable: the store does not answer.
    """

    def __init__(self, store: Store, model: str) -> None:
        self._store, self._model = store, model
        self._folder = folder_for(store, model)
        self._know(*self._load())
        self.refresh()

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, key: str) -> int | None:
        """The number of an image by its key; None for one without a vector."""
        return self._numbers.get(key)

    def image(self, number: int) -> Seen:
        """The image that has a number, without its vector."""
        image = self._known.images[number]
        if image is None:
            raise KeyError(number)
        return Seen(image[0], image[1], b"")

    def oddest(self, count: int) -> list[Neighbour]:
        """The most isolated images, each with its mean distance to its ten nearest, the oddest first."""
        numbers = list(self._numbers.values())
        isolation = [] if self.index is None else self.index.isolation(numbers).tolist()
        found = sorted(zip(numbers, isolation, strict=True), key=lambda pair: -pair[1])
        return [Neighbour(*pair) for pair in found[:count]]

    def _know(self, known: _Known, index: Index | None) -> None:
        self._known, self.index = known, index
        self._numbers = {image[0]: number for number, image in enumerate(known.images) if image}

    def _load(self) -> tuple[_Known, Index | None]:
        try:
            known = _Known(**json.loads((self._folder / _IMAGES).read_text(encoding="utf-8")))
            index = Index.load(self._folder / _INDEX, known.length)
        except (OSError, ValueError, TypeError):
            return _Known(), None
        if len(index) != sum(image is not None for image in known.images):
            return _Known(), None
        return known, index

    def refresh(self) -> None:
        """Read what is new in the bucket."""
        there = [key for key in listed(self._store) if is_of(key, self._model)]
        if set(self._known.objects) - set(there):
            self._know(_Known(), None)
        read = set(self._known.objects)
        if new := [key for key in there if key not in read]:
            # In the order of time, so that of two vectors of one image the later stays.
            new.sort(key=lambda key: key.rpartition("/")[2])
            self._take(new)
            self._save()

    def _take(self, keys: list[str]) -> None:
        bucket = self._store.settings.results_bucket

        def read(key: str) -> list[Seen]:
            found = self._store.read_json(bucket, key)
            return rows_of(found[0]) if found else []

        bar, advance = progress(console(stderr=True), "feature vectors", len(keys))
        with bar:
            for done, rows in enumerate(map_stream(read, keys, _PARALLEL), start=1):
                self._add(rows)
                advance(done)
        self._known.objects += keys

    def _add(self, rows: Sequence[Seen]) -> None:
        import numpy as np

        numbers, vectors = [], []
        for row in {row.key: row for row in rows}.values():
            if self.index is None:
                self._known.length = len(row.vector) // BYTES
                self.index = Index(self._known.length)
            if len(row.vector) != self._known.length * BYTES:
                continue  # of another model whose digest begins alike
            numbers.append(self._number_anew(row))
            vectors.append(np.frombuffer(row.vector, "<f2"))
        if self.index is not None and numbers:
            self.index.add(numbers, np.stack(vectors))

    def _number_anew(self, row: Seen) -> int:
        """The next number, for an image that loses the one that it had."""
        before = self._numbers.get(row.key)
        if before is not None and self.index is not None:
            self.index.remove(before)
            self._known.images[before] = None
        number = self._numbers[row.key] = len(self._known.images)
        self._known.images.append([row.key, row.etag])
        return number

    def _save(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if self.index is None:
            return
        self.index.save(self._folder / _INDEX)
        scratch = self._folder / f"{_IMAGES}.part"
        scratch.write_text(json.dumps(asdict(self._known)), encoding="utf-8")
        scratch.replace(self._folder / _IMAGES)


def folder_for(store: Store, model: str) -> Path:
    """Where the library of a model's vectors is kept on this machine: another one for each store, bucket and prefix."""
    settings = store.settings
    place = "\n".join((settings.s3_endpoint_url, settings.results_bucket, settings.features_prefix, model[:16]))
    folder: Path = settings.likeness_cache_dir / hashlib.sha256(place.encode()).hexdigest()[:16]
    return folder


def latest_model(store: Store) -> str:
    """The start of the digest of the model whose vectors were written last.

    Raises:
        InvalidRequest: there are none.
    """
    keys = [key.rpartition("/")[2] for key in listed(store)]
    if not keys:
        raise InvalidRequest(
            "there are no feature vectors in the results bucket",
            "Models give them since they are exported by this release (python -m training.repack adds them),"
            " and FEATURES_PREFIX must not be empty; what was judged before gets them by --fill",
        )
    return str(model_in(max(keys, key=lambda name: name.partition("-")[2])))
