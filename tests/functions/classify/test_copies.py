"""Copies of results, which classify keeps in the background when it has judged many."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from cosmoformer.settings import Settings
from cosmoformer.storage import copies as stored
from cosmoformer.storage.results import ResultsBucket
from cosmoformer.storage.store import Store
from functions.classify import copies
from functions.classify.copies import Copies
from tests.conftest import ObjectStore
from tests.cosmoformer.sample_results import classified_result


@pytest.fixture
def store(object_store: ObjectStore, bucket: Callable[[], str]) -> Store:
    """A store with a results bucket of its own."""
    return Store(object_store.settings(results_bucket=bucket()))


def objects(store: Store) -> list[str]:
    return [entry.key for entry in store.list(store.settings.results_bucket, store.settings.copies_prefix)]


def judge(store: Store, kept: Copies, count: int) -> None:
    bucket = ResultsBucket(store, on_written=kept.keep)
    for number in range(count):
        bucket.write(classified_result(f"{number}.png"))
        bucket.write(classified_result(f"{number}.png"))  # which changes nothing


def test_many_results_are_copied_into_one_object(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written is copied once, with the eTag by which a listing names it."""
    monkeypatch.setattr(stored, "_MIN_RESULTS", 2)
    kept = Copies(store.settings, store)
    kept.start()
    judge(store, kept, stored.MIN_ROWS)
    kept.stop()
    [key] = objects(store)
    assert f"-{stored.MIN_ROWS}-" in key
    listed = store.list(store.settings.results_bucket, store.settings.results_prefix)
    assert all(copy for _, copy in stored.with_copies(store, store.settings.copies_prefix, listed))


@pytest.mark.parametrize(("changes", "count"), [({}, stored.MIN_ROWS - 1), ({"copies_prefix": ""}, stored.MIN_ROWS)])
def test_few_results_or_a_setting_make_none(store: Store, changes: dict[str, str], count: int) -> None:
    """A handful would save no request; an empty COPIES_PREFIX keeps none."""
    kept = Copies(Settings(**(vars(store.settings) | changes)), store)
    kept.start()
    judge(store, kept, count)
    kept.stop()
    assert not objects(store)


def test_few_at_a_time_wait_until_there_are_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that judges slowly writes a copy all the same, later."""
    monkeypatch.setattr(copies, "_EVERY_S", 0.01)
    kept = Copies(store.settings, store)
    kept.start()
    for number in range(stored.MIN_ROWS):
        kept.keep(f"results/{number}.json", "e", {"number": number})
        time.sleep(0.02)
    kept.stop()
    [key] = objects(store)
    assert f"-{stored.MIN_ROWS}-" in key


def test_nobody_waits_for_them(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept after some time is written while the process goes on."""
    monkeypatch.setattr(copies, "_EVERY_S", 0.2)
    kept = Copies(store.settings, store)
    kept.start()
    try:
        for number in range(10_000):
            kept.keep(f"results/{number}.json", "e", {"number": number})
            if number > stored.MIN_ROWS and number % 100 == 0 and objects(store):
                return
        raise AssertionError("nothing was written")
    finally:
        kept.stop()
