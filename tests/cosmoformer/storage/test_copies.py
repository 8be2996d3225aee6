"""Copies of results, many in one object: they save requests, and never say what the results do not."""

from __future__ import annotations

import gzip
import itertools
import tempfile
from http.client import HTTPMessage

import pytest

from cosmoformer.settings import Settings
from cosmoformer.storage import copies
from cosmoformer.storage.copies import Copy, copy_of, write
from cosmoformer.storage.results import Result, ResultsBucket, result_key
from cosmoformer.storage.store import Store
from tests.cosmoformer.sample_results import classified_result, located_result, rejected_result, voted_result
from tests.lacking_store import Refusal, lacking_store

KEYS = [
    f"{folder}{name}"
    for folder in ("", "night/", "\u00e4rger/", "~\U0001f30c/")
    for name in ("a.png", "b\t\n.png", "z")
]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handful of results is worth a copy."""
    monkeypatch.setattr(copies, "_MIN_RESULTS", 2)
    monkeypatch.setattr(copies, "MIN_ROWS", 2)


@pytest.fixture
def results(store: Store) -> list[Result]:
    """Results of each kind in the bucket, with copies in three objects whose keys overlap; in the order of their keys."""
    kinds = itertools.cycle((classified_result, voted_result, located_result, rejected_result))
    found = [kind(key) for kind, key in zip(kinds, KEYS, strict=False)]
    made: list[Copy] = []
    bucket = ResultsBucket(store, on_written=lambda key, etag, result: made.append(copy_of(key, etag, result)))
    for result in found:
        bucket.write(result)
    for start in range(3):
        write(store, store.settings.copies_prefix, made[start::3])
    return sorted(found, key=lambda result: str(result["image"]["key"]).encode())


def asked_one_by_one(settings: Settings, prefix: str = "") -> tuple[list[Result], list[str]]:
    """All results, and the addresses of those that a request of their own was made for."""
    asked: list[str] = []

    def rule(method: str, path: str, _: HTTPMessage) -> Refusal | None:
        if method == "GET" and f"/{settings.results_prefix}" in path:
            asked.append(path)
        return None

    with lacking_store(settings.s3_endpoint_url, rule) as counting:
        store = Store(Settings(**(vars(settings) | {"s3_endpoint_url": counting.url})))
        return list(ResultsBucket(store).all(prefix)), asked


def test_what_is_copied_is_read_without_a_request_each(store: Store, results: list[Result]) -> None:
    """Every result comes from its copy, as it is, in the order of keys, whatever characters these have."""
    assert asked_one_by_one(store.settings) == (results, [])
    assert list(ResultsBucket(store).all(after=results[4]["image"]["key"])) == results[5:]


def test_a_result_that_was_replaced_or_never_copied_is_asked_for(store: Store, results: list[Result]) -> None:
    """A copy counts only while the object has its eTag; one of a deleted result is nobody's."""
    bucket = ResultsBucket(store)
    newer = classified_result("zz.png") | {"seconds": 7.0}
    changed = results[3] | {"seconds": 9.0}
    key = result_key(store.settings, changed["image"]["key"])
    standing = bucket.standing(changed["image"]["key"])
    assert store.write_json(store.settings.results_bucket, key, changed, replacing=standing.etag)
    bucket.write(newer)
    bucket.withdraw(results[0], None)
    found, asked = asked_one_by_one(store.settings)
    wanted = [*results[1:3], changed, *results[4:], newer]
    assert found == sorted(wanted, key=lambda result: str(result["image"]["key"]).encode())
    assert len(asked) == 2


@pytest.mark.parametrize("broken", [b"", b"no gzip", None], ids=["empty", "foreign", "cut off"])
def test_a_broken_object_costs_requests_and_no_result(
    store: Store, results: list[Result], broken: bytes | None
) -> None:
    """What cannot be read of the copies is asked for one by one."""
    place = next(store.list(store.settings.results_bucket, store.settings.copies_prefix))
    whole = store.read(store.settings.results_bucket, place.key)
    assert whole
    content = whole[0][: len(whole[0]) // 2] if broken is None else broken
    store.write(store.settings.results_bucket, place.key, content, copies.CONTENT_TYPE)
    found, asked = asked_one_by_one(store.settings)
    assert found == results and 0 < len(asked) <= 4


def test_lines_that_are_none_and_other_objects_are_left_alone(store: Store, results: list[Result]) -> None:
    """Lines out of order, without tabs, or no JSON, and objects of other names, cost no result."""
    prefix, bucket = store.settings.copies_prefix, store.settings.results_bucket
    write(store, prefix, [Copy(b"results/z.json", "e", b"{}"), Copy(b"results/a", "e", b"\xff\n\n\t\t")])
    first = next(store.list(bucket, store.settings.results_prefix))
    write(store, prefix, [Copy(first.key.encode(), first.etag, b"{"), Copy(first.key.encode(), first.etag, b"null")])
    strange = [b'"\\ud800"\te\t{}', b"[" * 5000 + b"\te\t{}", b"1\te\t{}", b'"\xff"\te\t{}', b'"results/a"\t\xff\t{}']
    for number, line in enumerate(strange):
        key = f"{prefix}20260101T00000{number}Z-1-00000000.jsonl.gz"
        store.write(bucket, key, gzip.compress(line), copies.CONTENT_TYPE)
    for name in ("README", "20260101T000000Z-xx-00000000.jsonl.gz", "20260101T000000Z-1-00000000.jsonl.gz"):
        store.write(bucket, f"{prefix}{name}", b"hello", "text/plain")
    found, asked = asked_one_by_one(store.settings)
    assert found == results and len(asked) <= 1


def test_few_results_of_many_are_asked_for(
    store: Store, results: list[Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the copies of all cost more than the requests for those that are wished for, they are not read."""
    monkeypatch.setattr(copies, "_ROW_COST", 1 / 3)
    few = [result for result in results if result["image"]["key"].startswith("night/")]
    found, asked = asked_one_by_one(store.settings, "night/")
    assert (found, len(asked)) == (few, len(few))
    assert asked_one_by_one(store.settings) == (results, [])


def test_without_the_setting_all_are_asked_for(store: Store, results: list[Result]) -> None:
    """An empty COPIES_PREFIX reads none."""
    found, asked = asked_one_by_one(Settings(**(vars(store.settings) | {"copies_prefix": ""})))
    assert (found, len(asked)) == (results, len(results))


def test_copies_that_do_not_count_can_be_deleted(store: Store, results: list[Result]) -> None:
    """Stale ones, those of results that are gone and broken objects go; the others are written anew and are read as before."""
    prefix, bucket = store.settings.copies_prefix, ResultsBucket(store)
    assert copies.tidy(store, prefix, bucket.entries) == 0
    assert len(list(store.list(store.settings.results_bucket, prefix))) == 1  # of three that were small
    bucket.withdraw(results[0], None)
    changed = results[3] | {"seconds": 9.0}
    key = result_key(store.settings, changed["image"]["key"])
    standing = bucket.standing(changed["image"]["key"])
    assert store.write_json(store.settings.results_bucket, key, changed, replacing=standing.etag)
    store.write(store.settings.results_bucket, f"{prefix}20260101T000000Z-9-00000000.jsonl.gz", b"broken", "text/plain")
    assert copies.tidy(store, prefix, bucket.entries) == 2 + 9
    [left] = store.list(store.settings.results_bucket, prefix)
    assert f"-{len(results) - 2}-" in left.key
    found, asked = asked_one_by_one(store.settings)
    assert found == [*results[1:3], changed, *results[4:]] and len(asked) == 1
    assert copies.tidy(store, prefix, bucket.entries) == 0


@pytest.mark.parametrize("method", ["list", "get"])
def test_copies_that_may_not_be_read_cost_requests(
    store: Store, results: list[Result], method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A key that may read results alone reads all of them, with a warning."""

    def rule(asked: str, path: str, _: HTTPMessage) -> Refusal | None:
        of_copies = "prefix=copies" in path.replace("%2F", "/") if method == "list" else "/copies/" in path
        return Refusal(403, "AccessDenied") if asked == "GET" and of_copies else None

    with lacking_store(store.settings.s3_endpoint_url, rule) as lacking:
        behind = Store(Settings(**(vars(store.settings) | {"s3_endpoint_url": lacking.url})))
        assert list(ResultsBucket(behind).all()) == results
    assert "copies of results cannot be read" in caplog.text


def test_a_machine_without_room_for_copies_asks_for_results(
    store: Store, results: list[Result], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where no temporary file can be made, nothing is missing."""
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    assert list(ResultsBucket(store).all()) == results
    assert "copies of results cannot be read" in caplog.text


def test_the_latest_copies_are_read_where_there_are_too_many(
    store: Store, results: list[Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older ones are more likely to be stale."""
    monkeypatch.setattr(copies, "_MAX_OBJECTS", 3)
    for number in range(4):
        stale = [Copy(b"results/%d" % row, "e", b"{}") for row in range(copies.MIN_ROWS)]
        key = write(store, store.settings.copies_prefix, stale)
        whole = store.read(store.settings.results_bucket, key)
        assert whole
        early = f"{store.settings.copies_prefix}20200101T00000{number}Z-9-00000000.jsonl.gz"
        store.write(store.settings.results_bucket, early, whole[0], copies.CONTENT_TYPE)
        store.delete(store.settings.results_bucket, key)
    assert asked_one_by_one(store.settings) == (results, [])


def test_no_more_copies_are_read_than_results_are_listed_ahead_for(
    store: Store, results: list[Result], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a huge bucket the latest objects alone are worth reading for the few results that are wished for."""
    monkeypatch.setattr(copies, "_ROW_COST", 1.0)
    monkeypatch.setattr(copies, "_MAX_AHEAD", len(results) // 3)
    found, asked = asked_one_by_one(store.settings)
    assert found == results and len(asked) == len(results) * 2 // 3
    assert "of 3 objects with copies of results the latest 1 are read" in caplog.text


@pytest.mark.parametrize("most", [1000, 4])
def test_small_objects_are_put_together(
    store: Store, results: list[Result], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Where nothing is stale, too: one object holds what many held, or some of them, where so many cannot be read at a time."""
    prefix, bucket = store.settings.copies_prefix, ResultsBucket(store)
    for entry in list(store.list(store.settings.results_bucket, prefix)):
        store.delete(store.settings.results_bucket, entry.key)
    listed = list(bucket.entries())
    for start in range(0, len(listed), 2):
        some = listed[start : start + 2]
        write(store, prefix, [copy_of(entry.key, entry.etag, bucket.read(KEYS[0])) for entry in some])
    monkeypatch.setattr(copies, "_MAX_OBJECTS", most)
    assert copies.tidy(store, prefix, bucket.entries) == 0
    objects = [entry.key.split("-")[1] for entry in store.list(store.settings.results_bucket, prefix)]
    assert objects == ([str(len(listed))] if most == 1000 else ["2", "2", "8"])
