"""The buckets' rules for pages of other origins, at a real gateway."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import urllib3

from cosmoformer.storage.cors import bucket_cors
from cosmoformer.storage.presigned import Presigner
from cosmoformer.storage.store import Store
from tests.conftest import ObjectStore

PAGE = "http://127.0.0.1:8080"


@pytest.fixture
def store(object_store: ObjectStore, bucket: Callable[[], str]) -> Store:
    """A store with two buckets that the page may use."""
    store = Store(object_store.settings(images_bucket=bucket(), results_bucket=bucket()))
    for name in (store.settings.images_bucket, store.settings.results_bucket):
        store.client.put_bucket_cors(Bucket=name, CORSConfiguration=bucket_cors([PAGE]))
    return store


def preflight(url: str, origin: str) -> urllib3.BaseHTTPResponse:
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type,x-amz-acl"}
    return urllib3.request("OPTIONS", url, headers={"Origin": origin, **asked}, retries=False)


def test_preflight(store: Store) -> None:
    """The page's origin may send a presigned PUT with a content type; no other origin may."""
    url = Presigner(store.settings).put("m51.jpg", "image/jpeg", 5).url
    allowed = preflight(url, PAGE)
    assert allowed.status == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == PAGE
    assert "PUT" in allowed.headers["Access-Control-Allow-Methods"]
    assert {"content-type", "x-amz-acl"} <= set(allowed.headers["Access-Control-Allow-Headers"].lower().split(","))
    assert "Access-Control-Allow-Origin" not in preflight(url, "http://elsewhere.example").headers


def test_upload(store: Store) -> None:
    """The answer to a presigned PUT lets the page read the entity tag."""
    signed = Presigner(store.settings).put("m51.jpg", "image/jpeg", 5)
    answer = urllib3.request("PUT", signed.url, body=b"bytes", headers=signed.headers | {"Origin": PAGE})
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert "ETag" in answer.headers["Access-Control-Expose-Headers"]


def test_missing_result(store: Store) -> None:
    """The page can tell a result that is not there yet: the 404 carries the headers too."""
    url = Presigner(store.settings).get_result("results/m51.jpg.json")
    answer = urllib3.request("GET", url, headers={"Origin": PAGE}, retries=False)
    assert answer.status == 404
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
