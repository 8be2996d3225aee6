"""The results bucket, and what others put into it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from cosmoformer.storage.result_shape import is_result
from cosmoformer.storage.results import Result, ResultsBucket, result_key
from cosmoformer.storage.store import Store
from tests.cosmoformer.sample_results import classified_result, estimated_result, put_results, rejected_result

#: What may stand in a result's place and is none.
FOREIGN: dict[str, bytes] = {
    "a version alone": b'{"schema_version": 1}',
    "an empty object": b"",
    "no JSON": b"<html>",
    "half of it": b'{"schema_version": 1, "status": "classi',
    "no object": b"[1, 2]",
    "deep": b"[" * 100_000,
    "another version": b'{"schema_version": 2}',
    "another image's": json.dumps(classified_result("m31.png")).encode(),
}


def _put(store: Store, key: str, content: bytes) -> None:
    store.write(store.settings.results_bucket, result_key(store.settings, key), content, "application/json")


def test_all_results_are_read_in_key_order(store: Store) -> None:
    """Every result under a prefix is read, in the order of keys."""
    put_results(store, *(classified_result(key) for key in ("m2", "m0", "other", "m1")))
    assert [result["image"]["key"] for result in ResultsBucket(store).all("m")] == ["m0", "m1", "m2"]


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_object_is_no_result(store: Store, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """What is no result of its image is left out and named, and the image's own result takes its place."""
    put_results(store, classified_result("a.png"), classified_result("z.png"))
    _put(store, "m51.png", FOREIGN[kind])
    bucket = ResultsBucket(store)
    assert [result["image"]["key"] for result in bucket.all()] == ["a.png", "z.png"]
    assert "'results/m51.png.json'" in caplog.text
    assert bucket.read("m51.png") is None
    result = classified_result()
    assert bucket.write(result, bucket.standing("m51.png")) == result
    assert bucket.read("m51.png") == result


def test_folders_are_not_named(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """A folder, as browsers of buckets make them, is nobody's mistake."""
    store.write(store.settings.results_bucket, "results/night/", b"", "application/x-directory")
    assert list(ResultsBucket(store).all()) == []
    assert not caplog.records


def _without(result: Result, *path: str) -> Result:
    changed = copy.deepcopy(result)
    inner: Any = changed
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return changed


GOOD = classified_result()
MALFORMED: list[Any] = [
    None,
    [],
    "text",
    {},
    *(_without(GOOD, name) for name in ("status", "image", "prediction", "model", "event", "seconds")),
    *(_without(GOOD, *path) for path in (("image", "etag"), ("prediction", "class"), ("model", "sha256"))),
    GOOD | {"schema_version": True},
    GOOD | {"status": "rejected"},
    GOOD | {"status": "pending"},
    GOOD | {"model": None},
    GOOD | {"model": GOOD["model"] | {"version": "3"}},
    GOOD | {"image": GOOD["image"] | {"conversions": [1]}},
    GOOD | {"prediction": GOOD["prediction"] | {"probabilities": {"spiral": "0.9"}}},
    GOOD | {"prediction": {"task": "t", "values": {"a": None}}},
    GOOD | {"prediction": {"task": "t"}},
    GOOD | {"prediction": {"task": "t", "values": {"a": 1.0}, "class": "spiral"}},
    GOOD | {"prediction": GOOD["prediction"] | {"votes": []}},
    GOOD | {"prediction": GOOD["prediction"] | {"votes": {"bar": {"fractions": {"yes": 0.5}}}}},
    GOOD | {"prediction": GOOD["prediction"] | {"votes": {"bar": {"asked": 50, "fractions": {"yes": "half"}}}}},
    rejected_result() | {"rejection": None},
]


@pytest.mark.parametrize("document", MALFORMED, ids=range(len(MALFORMED)))
def test_documents_without_what_readers_need_are_no_results(document: Any) -> None:
    """A document that would break whoever reads results is none."""
    assert not is_result(document)


def test_results_of_other_releases_are_results() -> None:
    """All kinds of result are results, also with members that this release does not know."""
    for result in (GOOD, estimated_result(), rejected_result()):
        assert is_result(result | {"provenance": {"new": 1}})


def test_of_two_rejections_the_later_counts_where_one_is_nobodys(store: Store) -> None:
    """What a version lacked gives way to what no version can read, and the other way round."""
    nobodys, a_models = rejected_result(), rejected_result(reason="The model needs other bands.")
    a_models["model"] = dict(GOOD["model"])
    bucket = ResultsBucket(store)
    for result in (a_models, nobodys, a_models):
        assert bucket.write(result) == result
