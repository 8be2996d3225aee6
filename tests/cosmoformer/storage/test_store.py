"""The store against a real Ceph object gateway."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cosmoformer import settings
from cosmoformer.errors import ObjectGone, StoreUnavailable
from cosmoformer.local.process import free_port
from cosmoformer.storage.store import Store, connect

#: In the order of their UTF-8 bytes.
ODD_KEYS = ["!", "a", "a b+c%.jpg", "a!", "a.json", "a/b", "ab", "ü/é.jpg", "🌌"]


@pytest.fixture
def images(store: Store) -> str:
    return str(store.settings.images_bucket)


def test_image_is_read_with_what_the_store_says_of_it(store: Store, images: str) -> None:
    """Reading an image gives its bytes, and its size, eTag and time as a HEAD would."""
    store.write(images, "ü b+c%.jpg", b"hello", "image/jpeg")
    info, content = store.read_image("ü b+c%.jpg")
    assert (content, info.size, info.etag) == (b"hello", 5, "5d41402abc4b2a76b9719d911017c592")
    assert abs(datetime.now(UTC) - info.last_modified) < timedelta(minutes=5)
    assert store.head_image("ü b+c%.jpg") == info


def test_image_over_the_limit_is_not_read(store: Store, images: str) -> None:
    """Of an image over the limit only the facts are given."""
    store.settings.max_image_bytes = 4
    store.write(images, "big", b"hello", "image/jpeg")
    info, content = store.read_image("big")
    assert (info.size, content) == (5, None)


def test_missing_image_is_gone(store: Store) -> None:
    """An image that is not there is reported as gone, by GET and by HEAD."""
    for ask in (store.read_image, store.head_image):
        with pytest.raises(ObjectGone, match="nowhere"):
            ask("nowhere")


def test_listing_is_in_the_order_of_utf8_bytes(store: Store, images: str) -> None:
    """Keys are listed in the order of their UTF-8 bytes, which is that of their code points."""
    for key in reversed(ODD_KEYS):
        store.write(images, key, b"x", "image/png")
    assert [entry.key for entry in store.list(images)] == ODD_KEYS
    assert ODD_KEYS == sorted(ODD_KEYS) == sorted(ODD_KEYS, key=str.encode)


def test_listing_can_start_anywhere(store: Store, images: str) -> None:
    """A listing gives what starts with the prefix and comes after the given key."""
    for key in ODD_KEYS:
        store.write(images, key, b"x", "image/png")
    assert [entry.key for entry in store.list(images, "a", after="a.json")] == ["a/b", "ab"]
    assert list(store.list(images, "zzz")) == []


@pytest.mark.slow
def test_listing_goes_over_pages(store: Store, images: str) -> None:
    """A listing longer than one answer of the store is complete."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.write(images, f"{number:04}", b"x", "image/png"), range(1005)))
    assert [entry.key for entry in store.list(images)] == [f"{number:04}" for number in range(1005)]


def test_json_is_written_once(store: Store, images: str) -> None:
    """A document for a key without object is refused when another writer was first."""
    assert store.read_json(images, "doc") is None
    assert store.write_json(images, "doc", {"ü": 1}, replacing=None)
    assert not store.write_json(images, "doc", {"ü": 2}, replacing=None)
    found = store.read_json(images, "doc")
    assert found and found[0] == {"ü": 1}


def test_json_replaces_only_what_it_names(store: Store, images: str) -> None:
    """A document replaces the one whose eTag it names, and no other; nor one that was deleted."""
    store.write_json(images, "doc", 1, replacing=None)
    found = store.read_json(images, "doc")
    assert found
    assert store.write_json(images, "doc", 2, replacing=found[1])
    assert not store.write_json(images, "doc", 3, replacing=found[1])
    assert (store.read_json(images, "doc") or [None])[0] == 2
    store.delete(images, "doc")
    assert not store.write_json(images, "doc", 4, replacing=found[1])


def test_of_many_writers_one_succeeds(store: Store, images: str) -> None:
    """Of writers at the same time, who all expect no object, exactly one is told the eTag of what it wrote."""
    with ThreadPoolExecutor(8) as pool:
        wrote = list(pool.map(lambda number: store.write_json(images, "doc", number, replacing=None), range(8)))
    [winner] = [(number, etag) for number, etag in enumerate(wrote) if etag]
    assert store.read_json(images, "doc") == winner


def test_deleting_twice_is_no_error(store: Store, images: str) -> None:
    """An object that is not there can be deleted."""
    store.write(images, "a", b"x", "image/png")
    store.delete(images, "a")
    store.delete(images, "a")
    assert list(store.list(images)) == []


def _store(store: Store, **overrides: Any) -> Store:
    return Store(settings.load({}, **(vars(store.settings) | overrides)))


def test_unreachable_store_says_which_setting_to_check(store: Store) -> None:
    """A store that does not answer is unavailable for now, and the message names the setting."""
    nobody = _store(store, s3_endpoint_url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StoreUnavailable, match=r"does not answer.*S3_ENDPOINT_URL"):
        nobody.head_image("a")
    with pytest.raises(StoreUnavailable, match="does not answer"):
        list(nobody.list("a"))


@pytest.mark.parametrize(
    ("override", "mend"),
    [
        ({"aws_secret_access_key": "wrong"}, "Check AWS_SECRET_ACCESS_KEY"),
        ({"aws_access_key_id": "nobody"}, "Check AWS_ACCESS_KEY_ID"),
        ({"images_bucket": "no-such-bucket"}, "Make the buckets"),
    ],
)
def test_refusals_of_the_store_say_how_to_mend_them(store: Store, override: dict[str, str], mend: str) -> None:
    """A wrong key or a missing bucket is reported with the setting to look at."""
    with pytest.raises(StoreUnavailable) as raised:
        _store(store, **override).read_image("a")
    assert raised.value.mend.startswith(mend)


def test_secret_is_not_shown(store: Store) -> None:
    """Neither the settings nor a client shows the secret key when printed."""
    assert store.settings.aws_secret_access_key not in repr(store.settings) + repr(connect(store.settings))
