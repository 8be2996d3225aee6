"""What can be an object key, as the real store sees it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cosmoformer.errors import StoreUnavailable
from cosmoformer.storage.keys import MAX_KEY_BYTES, can_be_listed, is_key
from cosmoformer.storage.store import Store
from tests.conftest import ObjectStore


@pytest.fixture
def store(object_store: ObjectStore, bucket: Callable[[], str]) -> Store:
    return Store(object_store.settings(images_bucket=bucket()))


@pytest.mark.parametrize(
    ("text", "key", "listed"),
    [
        ("a/b.jpg", True, True),
        ("ü🌌+%50 &<", True, True),
        ("a\tb\nc\x7f\x85\u2028\ufdd0", True, True),
        ("k" * MAX_KEY_BYTES, True, True),
        ("k" * (MAX_KEY_BYTES + 1), False, False),
        ("é" * 513, False, False),
        ("a\x00", False, False),
        ("\ud800", False, False),
        ("a\x01", True, False),
        ("a\x1f", True, False),
        ("\ufffe", True, False),
    ],
)
def test_keys(text: str, key: bool, listed: bool, store: Store) -> None:
    """A key can be written and read; what can be listed gives a listing that can be read. The store takes no other."""
    assert (is_key(text), can_be_listed(text)) == (key, listed)
    bucket = store.settings.images_bucket
    if key:
        store.write(bucket, text, b"x", "image/jpeg")
        assert store.head_image(text).size == 1
    if listed:
        assert [entry.key for entry in store.list(bucket, text)] == [text]
    elif key:
        with pytest.raises(StoreUnavailable):
            list(store.list(bucket, text))
