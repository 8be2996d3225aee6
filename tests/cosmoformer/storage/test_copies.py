"""Copies of results, many in one object: they save requests, and never say what the results do not."""

from __future__ import annotations

import itertools
from http.client import HTTPMessage

import pytest

from cosmoformer.settings import Settings
from cosmoformer.storage import copies
from cosmoformer.storage.copies import Copy, copy_of, forget, write
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
    monkeypatch.setattr(copies, "_FIRST", 2)
    monkeypatch.setattr(copies, "FEWEST", 2)


@pytest.fixture
def results(store: Store) -> list[Result]:
    """Results of each kind in the bucket, with copies in three objects whose keys overlap; in the order of their keys."""
    kinds = itertools.cycle((classified_result, voted_result, located_result, rejected_result))
    found = [kind(key) for kind, key in zip(kinds, KEYS, strict=False)]
    made: list[Copy] = []
    bucket = ResultsBucket(store, written=lambda key, etag, result: made.append(copy_of(key, etag, result)))
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
    bucket.withdraw(results[0])
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
    write(store, prefix, [Copy("results/z.json", "e", b"{}"), Copy("results/a", "e", b"\xff\n\n\t\t")])
    [first, *_] = store.list(bucket, store.settings.results_prefix)
    write(store, prefix, [Copy(first.key, first.etag, b"{"), Copy(first.key, first.etag, b"null")])
    for name in ("README", "20260101T000000Z-xx-00000000.jsonl.gz", "20260101T000000Z-1-00000000.jsonl.gz"):
        store.write(bucket, f"{prefix}{name}", b"hello", "text/plain")
    found, asked = asked_one_by_one(store.settings)
    assert (found, asked) == (results, [])


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


def test_copies_can_be_forgotten(store: Store, results: list[Result]) -> None:
    """Those of some results go, those of others stay, and an object that would hold too few goes as a whole."""
    prefix, bucket = store.settings.copies_prefix, store.settings.results_bucket
    gone = [result_key(store.settings, key) for key in KEYS[0::3][:3] + KEYS[1:2]]
    forget(store, prefix, gone)
    objects = list(store.list(bucket, prefix))
    assert sorted(entry.key.split("-")[1] for entry in objects) == ["3", "4"]
    found, asked = asked_one_by_one(store.settings)
    assert found == results and len(asked) == 4 + 1
