"""No image is predicted twice: judgements found again by digests, in memory and in the results bucket."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from cosmoformer.settings import Settings, load
from cosmoformer.store import Store
from functions.classify.judgements import Judgement, Judgements
from tests.conftest import ObjectStore

MODEL, IMAGE = "m" * 64, "i" * 64
JUDGEMENT = Judgement({"spiral": 0.75, "edge_on": 0.25}, 424, 300, "JPEG", ("cropped to a square",))


@pytest.fixture
def settings(object_store: ObjectStore, bucket: Callable[[], str]) -> Settings:
    return object_store.settings(results_bucket=bucket())


def found_eventually(settings: Settings) -> Judgement | None:
    """What a process that starts now finds within a few seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if found := Judgements(settings, Store(settings)).find(MODEL, IMAGE, shared=True):
            return found
        time.sleep(0.05)
    return None


def test_another_process_finds_it_in_the_bucket(settings: Settings) -> None:
    """What one process kept another finds, equal to the last digit; another model's or image's it does not find."""
    Judgements(settings, Store(settings)).keep(MODEL, IMAGE, JUDGEMENT, shared=True)
    assert found_eventually(settings) == JUDGEMENT
    fresh = Judgements(settings, Store(settings))
    assert fresh.find(MODEL, "x" * 64, shared=True) is None
    assert fresh.find("x" * 64, IMAGE, shared=True) is None


def test_what_is_not_shared_leaves_no_trace_in_the_bucket(settings: Settings) -> None:
    """A picture that came by itself is remembered by this process alone; with an empty prefix everything is."""
    store = Store(settings)
    alone = Judgements(settings, store)
    alone.keep(MODEL, IMAGE, JUDGEMENT, shared=False)
    off = Judgements(Settings(**(vars(settings) | {"digests_prefix": ""})), store)
    off.keep(MODEL, IMAGE, JUDGEMENT, shared=True)
    assert alone.find(MODEL, IMAGE, shared=False) == off.find(MODEL, IMAGE, shared=True) == JUDGEMENT
    time.sleep(0.3)
    assert list(store.list(settings.results_bucket)) == []


def test_memory_is_bounded_and_keeps_what_was_asked_for_last() -> None:
    """Of three judgements in two places the one goes that nobody asked for."""
    known = Judgements(load({}, remembered_judgements=2, digests_prefix=""), store=None)  # type: ignore[arg-type]
    for image in ("a", "b"):
        known.keep(MODEL, image, JUDGEMENT, shared=True)
    assert known.find(MODEL, "a", shared=True)
    known.keep(MODEL, "c", JUDGEMENT, shared=True)
    assert [image for image in "abc" if known.find(MODEL, image, shared=True)] == ["a", "c"]


@pytest.mark.parametrize("document", [None, [], {"probabilities": {"spiral": "much"}}, {"probabilities": {}}, "text"])
def test_somebody_elses_object_is_no_judgement(settings: Settings, document: Any) -> None:
    """What stands at the key and cannot be read as a judgement is passed over."""
    store = Store(settings)
    store.write_json(settings.results_bucket, f"digests/{MODEL}/{IMAGE}.json", document, replacing=None)
    assert Judgements(settings, store).find(MODEL, IMAGE, shared=True) is None


def test_a_store_that_is_away_costs_a_prediction_and_nothing_else(settings: Settings) -> None:
    """Looking up finds nothing, keeping remembers; neither raises."""
    away = Settings(**(vars(settings) | {"s3_endpoint_url": "http://127.0.0.1:9", "s3_public_endpoint_url": ""}))
    known = Judgements(away, Store(away))
    assert known.find(MODEL, IMAGE, shared=True) is None
    known.keep(MODEL, IMAGE, JUDGEMENT, shared=True)
    assert known.find(MODEL, IMAGE, shared=True) == JUDGEMENT
