"""Listings in pages, with keys among them that XML cannot repeat."""

from __future__ import annotations

import pytest

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


@pytest.mark.parametrize("size", range(1, 5))
def test_every_key_is_listed_once_wherever_a_page_ends(
    store: Store, images: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages may end at any key, also where many in a row are such keys: whoever puts them there blocks no listing."""
    ask = store.client.list_objects_v2
    monkeypatch.setattr(store.client, "list_objects_v2", lambda **about: ask(**about, MaxKeys=size))
    assert [entry.key for entry in store.list(images)] == IN_ORDER


def test_a_listing_starts_after_any_key(store: Store, images: str) -> None:
    """Also after one that XML cannot repeat."""
    for number, key in enumerate(["", *IN_ORDER]):
        assert [entry.key for entry in store.list(images, after=key)] == IN_ORDER[number:], repr(key)
    assert [entry.key for entry in store.list(images, "b", "b\x01.png")] == ["b\x02", "b.png", "b/\ufffe"]


@pytest.mark.parametrize("key", KEYS)
def test_a_listing_has_any_prefix(store: Store, images: str, key: str) -> None:
    """The keys that start with a text are listed, whatever it is."""
    assert [entry.key for entry in store.list(images, key)] == [one for one in IN_ORDER if one.startswith(key)]


def test_a_bucket_whose_first_key_is_such_a_one_can_be_reached(store: Store) -> None:
    """The look whether the store answers lists one key, and ends there."""
    for key in ("\x01", "\x02"):
        store.write(store.settings.images_bucket, key, b"x", "image/png")
    store.reach(store.settings.images_bucket)


@pytest.mark.parametrize(
    ("told", "read"),
    [
        ("a&#x01;&#1;&#xFFFE;&#65535;&#x110000;b", "a\ufffd\ufffd\ufffd\ufffd\ufffdb"),
        ("a\x01\ufffe\uffffb", "a\ufffd\ufffd\ufffdb"),
        ("&#x0d;&#10;&#x1f30c;&amp;#1;ü🌌\t", "&#x0d;&#10;&#x1f30c;&amp;#1;ü🌌\t"),
    ],
)
def test_what_xml_does_not_know_is_replaced(told: str, read: str) -> None:
    """In text and as references, while everything else stays."""
    answer = {"body": f"<EncodingType>url</EncodingType><Prefix>{told}</Prefix>".encode()}
    listing.mend(answer)
    assert answer["body"].decode() == f"<EncodingType>url</EncodingType><Prefix>{read}</Prefix>"


def test_an_answer_whose_keys_are_not_encoded_stays() -> None:
    """A key with another character would be another object's."""
    answer = {"body": b"<Key>a\x01b</Key>"}
    listing.mend(answer)
    assert answer["body"] == b"<Key>a\x01b</Key>"
