"""What can be an object key, as the real store sees it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cosmoformer.storage.keys import MAX_KEY_BYTES, fits_xml, is_key
from cosmoformer.storage.store import Store
from tests.conftest import ObjectStore


@pytest.fixture
def store(object_store: ObjectStore, bucket: Callable[[], str]) -> Store:
    return Store(object_store.settings(images_bucket=bucket()))


@pytest.mark.parametrize(
    ("text", "key", "in_xml"),
    [
        ("a/b.jpg", True, True),
        ("ü🌌+%50 &<", True, True),
        ("a\tb\nc\x7f\x85\u2028\ufdd0", True, True),
        ("k" * MAX_KEY_BYTES, True, True),
        ("k" * (MAX_KEY_BYTES + 1), False, True),
        ("é" * 513, False, True),
        ("a\x00", False, False),
        ("\ud800", False, False),
        ("a\x01", True, False),
        ("a\x1f", True, False),
        ("\ufffe", True, False),
    ],
)
def test_keys(text: str, key: bool, in_xml: bool, store: Store) -> None:
    """A key can be written, read and listed. The store takes no other, and some of them XML cannot repeat."""
    assert (is_key(text), fits_xml(text)) == (key, in_xml)
    bucket = store.settings.images_bucket
    if key:
        store.write(bucket, text, b"x", "image/jpeg")
        assert store.head_image(text).size == 1
        assert [entry.key for entry in store.list(bucket, text)] == [text]
