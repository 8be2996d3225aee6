"""Listings in pages, with keys among them that a listing cannot go on from."""

from __future__ import annotations

import pytest

from cosmoformer.errors import StoreUnavailable
from cosmoformer.storage import listing
from cosmoformer.storage.store import Store

KEYS = ["a.png", "b", "b\x01.png", "b\x02", "b.png", "b/\ufffe", "c", "\x0b", "\uffff\U0001f30c", "\U0001f30c"]
IN_ORDER = sorted(KEYS, key=str.encode)


@pytest.fixture
def images(store: Store) -> str:
    """A bucket with all keys."""
    for key in KEYS:
        store.write(store.settings.images_bucket, key, b"x", "image/png")
    return store.settings.images_bucket


def test_every_key_is_listed_once_wherever_a_page_ends(
    store: Store, images: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages that would end at a key which the listing cannot repeat end before or behind it."""
    monkeypatch.setattr(listing, "_SIZES", (4, 3, 2))
    assert [entry.key for entry in store.list(images)] == IN_ORDER


def test_a_listing_starts_after_any_key(store: Store, images: str) -> None:
    """Also after one that the listing cannot repeat."""
    for number, key in enumerate(["", *IN_ORDER]):
        assert [entry.key for entry in store.list(images, after=key)] == IN_ORDER[number:], repr(key)
    assert [entry.key for entry in store.list(images, "b", "b\x01.png")] == ["b\x02", "b.png", "b/\ufffe"]


def test_a_listing_that_the_store_cannot_give_is_an_error(
    store: Store, images: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a page ends at such a key in every size, the store's error is told."""
    monkeypatch.setattr(listing, "_SIZES", (1,))
    with pytest.raises(StoreUnavailable):
        list(store.list(images))
