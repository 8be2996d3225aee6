"""The library of vectors on this machine, and what it is read from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from cosmoformer.errors import InvalidRequest
from cosmoformer.likeness.library import Library, folder_for, latest_model
from cosmoformer.models.registry import ModelIdentity
from cosmoformer.settings import Settings
from cosmoformer.storage.features import Seen, document, forget, new_key
from cosmoformer.storage.store import Store
from tests.conftest import ObjectStore

MODEL, OTHER = ModelIdentity("cosmoformer", 3, "ab" * 32), ModelIdentity("cosmoformer", 4, "cd" * 32)


@pytest.fixture
def store(object_store: ObjectStore, bucket: Callable[[], str], tmp_path: Path) -> Store:
    return Store(object_store.settings(images_bucket=bucket(), results_bucket=bucket(), likeness_cache_dir=tmp_path))


def vector(seed: int, length: int = 8) -> bytes:
    return np.random.default_rng(seed).normal(size=length).astype("<f2").tobytes()


def put(store: Store, *rows: Seen, model: ModelIdentity = MODEL) -> None:
    settings: Settings = store.settings
    key = new_key(settings, "", model.sha256)
    store.write_json(settings.results_bucket, key, document(model, rows), replacing=None)


def seen(key: str, seed: int, etag: str = "e") -> Seen:
    return Seen(key, etag, vector(seed))


def keys_near(library: Library, content: bytes) -> list[str]:
    assert library.index
    return [library.image(found.number).key for found in library.index.near(np.frombuffer(content, "<f2"), 10)]


def test_all_vectors_of_a_model_are_found(store: Store) -> None:
    """Those of every object by this model, and none of another; the nearest to an image's vector is the image itself."""
    put(store, seen("a", 1), seen("b", 2))
    put(store, seen("c", 3))
    put(store, seen("x", 1), model=OTHER)
    library = Library(store, MODEL.sha256)
    assert len(library) == 3
    assert set(keys_near(library, vector(2))) == {"a", "b", "c"}
    assert keys_near(library, vector(2))[0] == "b"
    assert library.number("x") is None


def test_a_second_look_reads_what_is_new_alone(store: Store) -> None:
    """The library is kept between runs; a later one asks the store for the objects that it has not read."""
    put(store, seen("a", 1))
    Library(store, MODEL.sha256)
    put(store, seen("b", 2))
    with patch.object(store, "read_json", side_effect=store.read_json) as reads:
        library = Library(store, MODEL.sha256)
    assert reads.call_count == 1
    assert len(library) == 2 and keys_near(library, vector(1))[0] == "a"


def test_an_image_that_was_replaced_has_its_later_vector(store: Store) -> None:
    """Of two vectors of one key that of the later object counts, in one look as in two."""
    put(store, seen("a", 1), seen("b", 2))
    put(store, seen("a", 3, "new"))
    Library(store, MODEL.sha256)
    put(store, seen("b", 4, "newer"))
    for library in (Library(store, MODEL.sha256), Library(Store(once_again(store)), MODEL.sha256)):
        assert len(library) == 2
        assert keys_near(library, vector(3))[0] == "a" and keys_near(library, vector(4))[0] == "b"
        number = library.number("a")
        assert number is not None and library.image(number).etag == "new"


def once_again(store: Store) -> Settings:
    return Settings(**(vars(store.settings) | {"likeness_cache_dir": store.settings.likeness_cache_dir / "other"}))


def test_what_was_deleted_is_forgotten(store: Store) -> None:
    """Once vectors are deleted in the bucket, no later look finds them."""
    put(store, seen("a", 1), seen("b", 2))
    Library(store, MODEL.sha256)
    forget(store, ["a"])
    library = Library(store, MODEL.sha256)
    assert keys_near(library, vector(1)) == ["b"]


@pytest.mark.parametrize("name", ["images.json", "vectors.usearch"])
def test_files_that_are_not_whole_are_read_anew(store: Store, name: str) -> None:
    """A library that was cut off while it was written is read from the bucket again."""
    put(store, seen("a", 1))
    Library(store, MODEL.sha256)
    path = folder_for(store, MODEL.sha256) / name
    path.write_bytes(path.read_bytes()[:40])
    assert keys_near(Library(store, MODEL.sha256), vector(1)) == ["a"]


def test_the_oddest_come_first(store: Store) -> None:
    """The image that looks like no other is first; an empty library has none."""
    assert Library(store, MODEL.sha256).oddest(5) == []
    base = np.random.default_rng(0).normal(size=8)
    rows = [Seen(f"{n}", "e", (base + n / 100).astype("<f2").tobytes()) for n in range(20)]
    put(store, *rows, Seen("odd", "e", (-base).astype("<f2").tobytes()))
    library = Library(store, MODEL.sha256)
    assert library.image(library.oddest(2)[0].number).key == "odd"


def test_the_latest_model_is_the_one_that_wrote_last(store: Store) -> None:
    """Whatever the order of the digests; where nothing was written, the message says how vectors come about."""
    with pytest.raises(InvalidRequest, match="no feature vectors"):
        latest_model(store)
    put(store, seen("a", 1), model=OTHER)
    put(store, seen("a", 1))
    assert latest_model(store) == MODEL.sha256[:16]
    put(store, seen("b", 1), model=OTHER)
    assert latest_model(store) == OTHER.sha256[:16]
