"""Vectors that are computed afterwards."""

from __future__ import annotations

import numpy as np
import pytest

from cosmoformer.errors import InvalidRequest, StoreUnavailable
from cosmoformer.likeness.filling import fill
from cosmoformer.likeness.library import Library
from cosmoformer.settings import Settings
from cosmoformer.storage.features import listed
from cosmoformer.storage.store import Store
from tests.cosmoformer.judged_images import SAMPLES, Judged


def test_what_has_no_vector_gets_one(judged: Judged) -> None:
    """Every classified image has one afterwards, the very one that its model gives; a second time there is nothing to do."""
    store, model, classifier = judged.store, judged.classifier.sha256, judged.classifier
    library = Library(store, model)

    def describe(content: bytes, zoom: float) -> bytes:
        assert zoom == 1
        return classifier.features(content).tobytes()

    gone = f"demo/{min(SAMPLES)}.jpg"
    store.delete(store.settings.images_bucket, gone)
    assert fill(store, library, model, describe) == len(SAMPLES) - 1 == len(library)
    assert library.number(gone) is None
    last = library.number(f"demo/{max(SAMPLES)}.jpg")
    assert last is not None and library.index is not None
    assert np.array_equal(library.index.vectors([last])[0], classifier.features(SAMPLES[max(SAMPLES)]))
    objects = list(listed(store))
    assert fill(store, library, model, describe) == 0
    assert list(listed(store)) == objects
    judged.judge("demo/another.jpg", SAMPLES[min(SAMPLES)])
    assert fill(store, library, "another model", describe) == 0
    assert fill(store, library, model, describe) == 1


def test_what_cannot_be_kept_is_not_computed(judged: Judged) -> None:
    """Without a place for vectors that is said; while the store is away nothing looks done."""
    model = judged.classifier.sha256
    nowhere = Settings(**(vars(judged.store.settings) | {"features_prefix": ""}))
    with pytest.raises(InvalidRequest, match="FEATURES_PREFIX is empty"):
        fill(Store(nowhere), Library(judged.store, model), model, lambda content, zoom: b"")

    def away(content: bytes, zoom: float) -> bytes:
        raise StoreUnavailable("gone")

    with pytest.raises(StoreUnavailable):
        fill(judged.store, Library(judged.store, model), model, away)
