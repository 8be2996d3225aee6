"""Which results are pruned, over real buckets."""

from __future__ import annotations

import json

import pytest

from cosmoformer.errors import StoreUnavailable
from cosmoformer.settings import Settings
from cosmoformer.storage.explanations import explanation_key
from cosmoformer.storage.keys import is_key
from cosmoformer.storage.pruning import Orphan, orphans, prune
from cosmoformer.storage.results import Result, result_key
from cosmoformer.storage.store import Store
from tests.cosmoformer.sample_results import classified_result, rejected_result
from tests.lacking_store import Refusal, lacking_store, refusing

LONG = "k" * 1020
TANGLED = ["a", "a!b", "a-core", "a.jpg", "a.jpg.json", "a/b", "ü 🌌+%.png", LONG]


def _put(store: Store, result: Result, key: str | None = None, bucket: str | None = None) -> str:
    """Write a result of the images bucket, at its place unless another is named; gives its key."""
    image = result["image"] | {"bucket": bucket or store.settings.images_bucket}
    where = key or result_key(store.settings, image["key"])
    store.write(
        store.settings.results_bucket, where, json.dumps(result | {"image": image}).encode(), "application/json"
    )
    return where


def _left(store: Store) -> set[str]:
    return {entry.key for entry in store.list(store.settings.results_bucket)}


@pytest.mark.parametrize("gone", [set(TANGLED), {"a", "a.jpg", LONG}, set()])
def test_results_of_deleted_images_are_found(store: Store, gone: set[str]) -> None:
    """Whatever their keys, exactly the results of images that are gone are found, rejected ones too, and pruned."""
    keys = {key: _put(store, classified_result(key)) for key in TANGLED}
    keys["bad"] = _put(store, rejected_result("bad"))
    for key in set(TANGLED) - gone:
        store.write(store.settings.images_bucket, key, b"x", "image/png")
    found = list(orphans(store))
    assert set(found) == {Orphan(keys[key], key) for key in gone | {"bad"}}
    assert all(prune(store, orphan) for orphan in found)
    assert _left(store) == {keys[key] for key in set(TANGLED) - gone}


def test_what_is_no_orphan_is_left_alone(store: Store) -> None:
    """Results of other buckets, those at another's place, and what is no result, are not found."""
    _put(store, classified_result("elsewhere.png"), bucket="another")
    _put(store, classified_result("m51.png"), key="results/inclination/m51.png.json")
    store.write(store.settings.results_bucket, "results/notes.json", b"{}", "application/json")
    store.write(store.settings.results_bucket, "results/part.json", b'{"schema_version": 1}', "application/json")
    store.write(store.settings.results_bucket, "results/table.csv", b"a,b", "text/csv")
    _put(store, classified_result("letter.png"), key="dead-letters/letter.png.json")
    assert list(orphans(store)) == []


def test_a_prefix_limits_what_is_found(store: Store) -> None:
    """Only results of images whose keys start with the prefix are looked at."""
    for key in ("n1/a", "n2/a"):
        _put(store, classified_result(key))
    assert [orphan.image_key for orphan in orphans(store, "n1/")] == ["n1/a"]


def test_an_image_that_came_back_keeps_its_result(store: Store) -> None:
    """Between finding and pruning an image may be put there again."""
    key = _put(store, classified_result("back.png"))
    (orphan,) = orphans(store)
    store.write(store.settings.images_bucket, "back.png", b"x", "image/png")
    assert not prune(store, orphan)
    assert _left(store) == {key}


def _explain(store: Store, image: str, output: str = "") -> str:
    """Write an explanation of an image; gives its key."""
    where = explanation_key(store.settings, image, output)
    said = {"schema_version": 1, "image": {"key": image}, "output": output}
    store.write(store.settings.results_bucket, where, json.dumps(said).encode(), "application/json")
    return where


@pytest.mark.parametrize(
    "gone", ["m51", "odd\x01.png", "\ufffe", "k" * 940, "k" * 930 + "ü" * 10, LONG, "é" * 512, "a@b", "a/b@c"]
)
def test_explanations_go_with_the_image_that_they_are_of(store: Store, gone: str) -> None:
    """All of them, wherever a long key was cut, and none of an image whose key begins likewise and has an @."""
    beside = [f"{gone}@2x.png", f"{gone}@2x/a.png", gone[:-1] + "other"]
    kept = {_explain(store, key, output) for key in beside if is_key(key) for output in ("", "spiral")}
    for output in ("", "spiral", "how-many-arms_2", "a/b"):
        _explain(store, gone, output)
    _put(store, classified_result(gone))
    (orphan,) = orphans(store)
    assert prune(store, orphan)
    assert _left(store) == kept


def test_an_explanation_of_a_namesake_is_left(store: Store) -> None:
    """What stands at the place of a gone image's explanation may be of another image's output."""
    kept = _explain(store, "m51", "2x.png")
    assert kept == explanation_key(store.settings, "m51@2x.png")
    _put(store, classified_result("m51@2x.png"))
    (orphan,) = orphans(store)
    assert prune(store, orphan)
    assert _left(store) == {kept}


def test_images_that_may_not_be_looked_at_are_not_gone(store: Store) -> None:
    """A store that denies the look, as it does to keys that may not list, says nothing about the image."""
    _put(store, classified_result("hidden.png"))
    rule = refusing("HEAD", "hidden.png", Refusal(403, "403"))
    with lacking_store(store.settings.s3_endpoint_url, rule) as proxy:
        behind = Store(Settings(**(vars(store.settings) | {"s3_endpoint_url": proxy.url})))
        with pytest.raises(StoreUnavailable):
            list(orphans(behind))
