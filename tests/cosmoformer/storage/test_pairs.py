"""Two listings, of images and of results, gone through together."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import settings as tries
from hypothesis import strategies as st

from cosmoformer.settings import load
from cosmoformer.storage.pairs import join, pairs
from cosmoformer.storage.results import result_key
from cosmoformer.storage.store import ObjectInfo


def _listed(keys: set[str]) -> Iterator[ObjectInfo]:
    return (ObjectInfo(key, "e", 1, datetime(2026, 1, 1, tzinfo=UTC)) for key in sorted(keys))


_keys = st.sets(st.text("a!.-j/z", min_size=1, max_size=6), max_size=40)


@tries(max_examples=300, deadline=None)
@given(_keys, _keys)
def test_join_finds_every_result(images: set[str], judged: set[str]) -> None:
    """However keys are tangled, each image comes once, with its result if it has one, and each other result alone."""
    listed = join(_listed(images), _listed({f"r/{key}.json" for key in judged}), lambda key: f"r/{key}.json")
    found = [(image and image.key, result and result.key) for image, result in listed]
    expected = [(key, f"r/{key}.json" if key in judged else None) for key in images]
    assert sorted(found, key=str) == sorted(expected + [(None, f"r/{key}.json") for key in judged - images], key=str)


def test_a_cut_key_is_paired_with_nothing() -> None:
    """An image whose key is too long for its result's comes without, and the result comes alone."""
    settings, key = load({}), "k" * 1020
    found = pairs(settings, _listed({key, "a"}), _listed({result_key(settings, key), "results/a.json"}))
    assert {(image and image.key, result and result.key) for image, result in found} == {
        ("a", "results/a.json"),
        (key, None),
        (None, result_key(settings, key)),
    }
