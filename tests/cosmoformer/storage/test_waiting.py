"""Waiting for results over real buckets, while images come and go."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

import pytest

from cosmoformer.images.sky import NOWHERE
from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.served_models import settings_for
from cosmoformer.settings import Settings
from cosmoformer.storage import waiting
from cosmoformer.storage.results import Result
from cosmoformer.storage.side_by_side import OTHERS
from cosmoformer.storage.sky_objects import Told, as_metadata, member
from cosmoformer.storage.store import Store
from cosmoformer.storage.waiting import Look, wait_for, with_further
from tests.cosmoformer.sample_results import classified_result, image_facts, put_results

OLD, NEW = b"the file that is waited for", b"another file"
LEFT = Look([], [])


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are looked at every second time."""
    monkeypatch.setattr(waiting, "_LOOKS", 2)


def put(store: Store, key: str, content: bytes = OLD, told: Told | None = None) -> None:
    store.write(store.settings.images_bucket, key, content, "image/png", as_metadata(told) if told else {})


def waited(store: Store, told: Told | None = None) -> Iterator[Look]:
    """Waiting for the results of two images."""
    images = dict.fromkeys(("a.png", "b.png"), image_facts("", OLD).etag)
    assert all(images.values())
    return wait_for(store, {key: etag or "" for key, etag in images.items()}, {"a.png": told} if told else {})


def keys(look: Look) -> list[str]:
    return [result["image"]["key"] for result in look.results]


@pytest.mark.parametrize("now", [None, NEW])
def test_an_image_that_goes_is_waited_for_no_longer(store: Store, now: bytes | None) -> None:
    """Deleted, or replaced by another file: it is named, and whatever is said of the other file, waiting has an end."""
    put(store, "a.png"), put(store, "b.png")
    looks = waited(store)
    assert next(looks) == LEFT
    store.delete(store.settings.images_bucket, "a.png")
    if now is not None:
        put(store, "a.png", now)
        put_results(store, classified_result("a.png", now))
    assert next(looks) == Look([], ["a.png"])
    assert next(looks) == LEFT
    put_results(store, classified_result("b.png", OLD))
    assert [keys(look) for look in looks] == [["b.png"]]


def test_a_result_counts_though_its_image_went_afterwards(store: Store) -> None:
    """What was judged has its result, which is found before the image is missed."""
    put_results(store, classified_result("a.png", OLD), classified_result("b.png", OLD))
    assert [(sorted(keys(look)), look.gone) for look in waited(store)] == [(["a.png", "b.png"], [])]


def test_who_drops_the_same_file_with_other_words_ends_the_waiting(store: Store) -> None:
    """A result that knows other words than the sender's is of no use to it, and no other will come."""
    mine, others = Told({"object_id": "M 51"}), Told({"object_id": "NGC 5194"})
    put(store, "a.png", told=mine), put(store, "b.png")
    looks = waited(store, mine)
    put_results(store, classified_result("a.png", OLD), classified_result("b.png", OLD))  # judged before it was told
    assert keys(next(looks)) == ["b.png"]
    assert next(looks) == LEFT, "the store still tells what is waited for"
    put(store, "a.png", told=others)
    put_results(store, classified_result("a.png", OLD) | {"object": member(others, NOWHERE, {})})
    assert [(keys(look), look.gone) for look in looks] == [([], []), ([], ["a.png"])]


@pytest.fixture
def further(store: Store, registry: Registry) -> Store:
    """The store with a further model, of which the registry knows nothing yet."""
    own = {
        "mlflow_tracking_uri": registry.settings.mlflow_tracking_uri,
        "served_models": f"hue-{uuid.uuid4().hex[:8]}",
    }
    return Store(Settings(**(vars(store.settings) | own)))


def own_settings(store: Store) -> Settings:
    return settings_for(store.settings, store.settings.served_models)


def judged(store: Store, *names: str) -> dict[str, Result]:
    """Images, and what the first model says of them."""
    for name in names:
        put(store, name)
    return {name: classified_result(name, OLD) for name in names}


def test_a_further_model_is_waited_for_while_its_results_come(further: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says stands beside; what does not come within some time is left out."""
    monkeypatch.setattr(waiting, "PATIENCE_S", 2.0)
    register(Registry(own_settings(further)), b"a model", tags={}, alias="champion")
    first, second = judged(further, "a.png", "b.png"), classified_result("a.png", OLD)
    put_results(Store(own_settings(further)), second)
    rows = with_further(further, first)
    assert rows == {
        "a.png": first["a.png"] | {OTHERS: {further.settings.served_models: second}},
        "b.png": first["b.png"],
    }


def test_a_further_model_without_a_champion_is_not_waited_for(further: Store) -> None:
    """Nobody could judge by it: the rows are there at once."""
    first, begun = judged(further, "a.png"), time.monotonic()
    assert with_further(further, first) == first
    assert time.monotonic() - begun < waiting.PATIENCE_S / 2


def test_nobody_waits_longer_than_was_said(further: Store) -> None:
    """For a further model, too."""
    register(Registry(own_settings(further)), b"a model", tags={}, alias="champion")
    first, begun = judged(further, "a.png"), time.monotonic()
    assert with_further(further, first, until=begun) == first
    assert time.monotonic() - begun < waiting.PATIENCE_S / 2
