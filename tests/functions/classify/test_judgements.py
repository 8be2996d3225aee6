"""No image is predicted twice: judgements found again by digests, in memory and in the results bucket."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from cosmoformer.settings import Settings, load
from cosmoformer.storage.store import Store
from functions.classify import judgements
from functions.classify.judgements import Judgement, Judgements
from tests.conftest import ObjectStore

MODEL, IMAGE = "m" * 64, "i" * 64
JUDGEMENT = Judgement(
    {"spiral": 0.75, "edge_on": 0.25}, 424, 300, "JPEG", ("cropped to a square",), features=b"\1\2\xff\0"
)


@pytest.fixture
def settings(object_store: ObjectStore, bucket: Callable[[], str]) -> Settings:
    return object_store.settings(results_bucket=bucket())


def process(settings: Settings) -> Judgements:
    """What a classify process that starts now has."""
    started = Judgements(settings, Store(settings))
    started.start()
    return started


def test_a_process_that_starts_later_finds_it(settings: Settings) -> None:
    """What one process kept until it ended another finds, equal to the last digit, for no other model or image."""
    first = process(settings)
    first.keep(MODEL, IMAGE, JUDGEMENT, shared=True)
    first.stop()
    later = process(settings)
    assert later.find(MODEL, IMAGE, shared=True) == JUDGEMENT
    assert later.find(MODEL, "x" * 64, shared=True) is None
    assert later.find("x" * 64, IMAGE, shared=True) is None
    later.stop()


def test_processes_side_by_side_share(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither overwrites what the other wrote, and each finds what the other kept, within a few rounds."""
    monkeypatch.setattr(judgements, "_EVERY_S", 0.05)
    one, other = process(settings), process(settings)
    one.keep(MODEL, "one", JUDGEMENT, shared=True)
    other.keep(MODEL, "other", JUDGEMENT, shared=True)
    deadline = time.monotonic() + 10
    while not (one.find(MODEL, "other", shared=True) and other.find(MODEL, "one", shared=True)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    one.stop()
    other.stop()
    third = process(settings)
    assert all(third.find(MODEL, image, shared=True) for image in ("one", "other"))
    third.stop()


def test_what_is_kept_while_nobody_asks_is_shared(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A judgement that comes just after a round is written in a later one, also if no image follows."""
    monkeypatch.setattr(judgements, "_EVERY_S", 0.05)
    one = process(settings)
    time.sleep(0.3)  # some rounds without a question
    one.keep(MODEL, IMAGE, JUDGEMENT, shared=True)
    deadline = time.monotonic() + 10
    while not Store(settings).read_json(settings.results_bucket, settings.judgements_key):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    one.stop()


def test_what_is_not_shared_leaves_no_trace_in_the_bucket(settings: Settings) -> None:
    """A picture that came by itself is remembered by this process alone; without a key everything is."""
    alone, off = process(settings), process(Settings(**(vars(settings) | {"judgements_key": ""})))
    alone.keep(MODEL, IMAGE, JUDGEMENT, shared=False)
    off.keep(MODEL, IMAGE, JUDGEMENT, shared=True)
    assert alone.find(MODEL, IMAGE, shared=False) == off.find(MODEL, IMAGE, shared=True) == JUDGEMENT
    for each in (alone, off):
        each.stop()
    assert list(Store(settings).list(settings.results_bucket)) == []


def test_once_it_comes_by_the_bucket_too_it_is_shared(settings: Settings) -> None:
    """What was known of a picture by itself is told to others as soon as an object has the same bytes."""
    first = process(settings)
    first.keep(MODEL, IMAGE, JUDGEMENT, shared=False)
    assert first.find(MODEL, IMAGE, shared=True) == JUDGEMENT
    first.stop()
    later = process(settings)
    assert later.find(MODEL, IMAGE, shared=True) == JUDGEMENT
    later.stop()


def test_memory_is_bounded_and_keeps_what_was_asked_for_last() -> None:
    """Of three judgements in two places the one goes that nobody asked for."""
    known = Judgements(load({}, remembered_judgements=2, judgements_key=""), store=None)  # type: ignore[arg-type]
    for image in ("a", "b"):
        known.keep(MODEL, image, JUDGEMENT, shared=True)
    assert known.find(MODEL, "a", shared=True)
    known.keep(MODEL, "c", JUDGEMENT, shared=True)
    assert [image for image in "abc" if known.find(MODEL, image, shared=True)] == ["a", "c"]


def test_the_bucket_holds_no_more_than_memory_the_latest(settings: Settings) -> None:
    """Of four judgements by two processes, two of which fit, those that were asked for last are kept."""
    small = Settings(**(vars(settings) | {"remembered_judgements": 2}))
    for names in ("ab", "cd"):
        one = process(small)
        for image in names:
            one.keep(MODEL, image, JUDGEMENT, shared=True)
        one.stop()
    document, _ = Store(settings).read_json(settings.results_bucket, settings.judgements_key) or (None, "")
    assert [entry["image"] for entry in document] == ["c", "d"]


@pytest.mark.parametrize(
    "document", [None, {}, "text", [None], [{"model": MODEL, "image": IMAGE, "outputs": {"spiral": "much"}}]]
)
def test_somebody_elses_object_holds_no_judgements(settings: Settings, document: Any) -> None:
    """What stands at the key and cannot be read is passed over, and replaced once there is something to keep."""
    store = Store(settings)
    store.write_json(settings.results_bucket, settings.judgements_key, document, replacing=None)
    first = process(settings)
    assert first.find(MODEL, IMAGE, shared=True) is None
    first.keep(MODEL, IMAGE, JUDGEMENT, shared=True)
    first.stop()
    later = process(settings)
    assert later.find(MODEL, IMAGE, shared=True) == JUDGEMENT
    later.stop()


def test_what_another_release_saw_in_a_file_is_not_remembered(settings: Settings) -> None:
    """A judgement by a release that decoded files in another way is none of this one's."""
    first = process(settings)
    first.keep(MODEL, IMAGE, JUDGEMENT, shared=True)
    first.stop()
    store = Store(settings)
    document, etag = store.read_json(settings.results_bucket, settings.judgements_key) or (None, "")
    older = [entry | {"decoding": entry["decoding"] - 1} for entry in document]
    assert store.write_json(settings.results_bucket, settings.judgements_key, older, replacing=etag)
    later = process(settings)
    assert later.find(MODEL, IMAGE, shared=True) is None
    later.stop()


def test_a_store_that_is_away_costs_a_prediction_and_nothing_else(settings: Settings) -> None:
    """Looking up finds nothing, keeping remembers; neither raises, nor does the end."""
    away = Settings(**(vars(settings) | {"s3_endpoint_url": "http://127.0.0.1:9", "s3_public_endpoint_url": ""}))
    known = process(away)
    assert known.find(MODEL, IMAGE, shared=True) is None
    known.keep(MODEL, IMAGE, JUDGEMENT, shared=True)
    assert known.find(MODEL, IMAGE, shared=True) == JUDGEMENT
    known.stop()
