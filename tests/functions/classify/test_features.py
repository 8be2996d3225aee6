"""Feature vectors of judged images: kept in the background, beside results that never wait for them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.client import HTTPMessage

import numpy as np
import pytest
import torch

from cosmoformer.events.notifications import ObjectCreated
from cosmoformer.models import artifact
from cosmoformer.models.registry import ModelIdentity
from cosmoformer.settings import Settings
from cosmoformer.storage.features import Seen, listed, rows_of
from cosmoformer.storage.results import ResultsBucket
from cosmoformer.storage.store import Store
from functions.classify import background, features, predictor
from functions.classify.features import Features
from functions.classify.handler import Handler
from functions.classify.judgements import Judgement
from tests.functions.classify.conftest import BUNDLED, Deployment
from tests.lacking_store import Refusal, lacking_store

SAMPLES = sorted((BUNDLED / "samples").glob("*.jpg"))[:2]
BATCH = "uploads/20260131T120000Z-06fd27ed9254cee426c1fc249176d7d8/"
MODEL = ModelIdentity("cosmoformer", 1, "a" * 64)
Start = Callable[..., Handler]


@pytest.fixture
def start(deployment: Deployment, describing: bytes) -> Iterator[Start]:
    """Starts a handler that keeps features, under changed settings if need be; all end at the end."""
    started: list[Handler] = []

    def begin(content: bytes = describing, **changes: object) -> Handler:
        deployment.register(content, alias="champion")
        settings = Settings(**(vars(deployment.settings) | changes))
        serving = deployment.serving()
        serving.refresh()
        store = Store(settings)
        handler = Handler(settings, store, ResultsBucket(store), serving)
        handler.features.start()
        started.append(handler)
        return handler

    yield begin
    for handler in started:
        handler.features.stop()


def judge(deployment: Deployment, handler: Handler, key: str, content: bytes) -> None:
    deployment.store.write(deployment.settings.images_bucket, key, content, "image/jpeg")
    bucket = deployment.settings.images_bucket
    event = ObjectCreated(bucket, key, "ObjectCreated:Put", "test", "", datetime.now(UTC), key).event()
    assert handler.handle(event) is not None


def kept(store: Store, folder: str = "", model: str = "") -> dict[str, Seen]:
    """What stands in the bucket, by image key."""
    found = [store.read_json(store.settings.results_bucket, key) for key in listed(store, folder)]
    return {row.key: row for document in found if document for row in rows_of(document[0], model)}


def test_each_judged_image_has_the_vector_that_the_model_gives(
    deployment: Deployment, start: Start, describing: bytes
) -> None:
    """It is the artifact's own, as float16, under the folder of the image's batch; a file that is no picture has none."""
    handler = start()
    keys = ["night/a.jpg", f"{BATCH}b.jpg"]
    for key, path in zip(keys, SAMPLES, strict=True):
        judge(deployment, handler, key, path.read_bytes())
    judge(deployment, handler, "broken.jpg", b"no picture")
    handler.features.stop()
    found, loaded = kept(deployment.store), artifact.load(describing)
    assert set(found) == set(keys)
    assert set(kept(deployment.store, BATCH, loaded.sha256)) == {keys[1]}
    for key, path in zip(keys, SAMPLES, strict=True):
        pixels = predictor.decode(path.read_bytes(), predictor.Limits(1 << 20, 1 << 22)).seen
        _, vector = loaded.describe(predictor.preprocess(pixels))
        assert vector is not None
        told = torch.from_numpy(np.frombuffer(found[key].vector, "<f2").astype(np.float32))
        assert torch.allclose(told, vector[0], rtol=1e-3, atol=1e-3)
        assert found[key].etag == deployment.store.head_image(key).etag


def test_the_same_bytes_have_the_same_vector(deployment: Deployment, start: Start) -> None:
    """A second key with the same file has the vector of the first, also where another process has judged that."""
    for key in ("a.jpg", "copy.jpg", "later.jpg"):
        handler = start()
        handler.judgements.start()
        judge(deployment, handler, key, SAMPLES[0].read_bytes())
        handler.judgements.stop()
        handler.features.stop()
    found = kept(deployment.store)
    assert set(found) == {"a.jpg", "copy.jpg", "later.jpg"}
    assert {row.vector for row in found.values()} == {found["a.jpg"].vector} != {b""}


def test_what_was_judged_without_a_vector_is_judged_again(deployment: Deployment, start: Start) -> None:
    """A judgement that an earlier release left in the bucket is no short cut for an image whose vector is to be kept."""
    handler = start()
    content = SAMPLES[0].read_bytes()
    digest, model = hashlib.sha256(content).hexdigest(), deployment.registry.resolve("champion").sha256
    handler.judgements.keep(model, digest, Judgement({"spiral": 1.0}, 1, 1, "JPEG", ()), shared=True)
    judge(deployment, handler, "a.jpg", content)
    handler.features.stop()
    assert len(kept(deployment.store)["a.jpg"].vector) == 512


def test_a_setting_keeps_none(deployment: Deployment, start: Start) -> None:
    """With FEATURES_PREFIX empty there are results and nothing else."""
    handler = start(features_prefix="")
    judge(deployment, handler, "a.jpg", SAMPLES[0].read_bytes())
    handler.features.stop()
    assert {entry.key for entry in deployment.store.list(deployment.settings.results_bucket)} == {"results/a.jpg.json"}


def test_a_store_that_takes_no_vectors_costs_no_result(
    deployment: Deployment, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results are written all the same, and the vectors as soon as the store takes them."""
    monkeypatch.setattr(features, "_EVERY_S", 0.05)
    broken = [True]

    def rule(method: str, path: str, _: HTTPMessage) -> Refusal | None:
        return Refusal(503, "SlowDown") if broken[0] and method == "PUT" and "/features/" in path else None

    with lacking_store(deployment.settings.s3_endpoint_url, rule) as store:
        handler = start(s3_endpoint_url=store.url)
        judge(deployment, handler, "a.jpg", SAMPLES[0].read_bytes())
        assert ResultsBucket(deployment.store).read("a.jpg")
        assert kept(deployment.store) == {}
        broken[0] = False
        deadline = time.monotonic() + 60
        while not kept(deployment.store):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_what_waits_is_bounded(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more wait than may, the oldest go; what is left is written in objects of so many rows."""
    monkeypatch.setattr(background, "_MAX_WAITING", 5)
    monkeypatch.setattr(background, "MAX_ROWS", 2)
    monkeypatch.setattr(features, "_EVERY_S", 600.0)
    waiting = Features(deployment.settings, deployment.store)
    waiting.start()
    for number in range(8):
        waiting.keep(MODEL, Seen(f"{number}.jpg", "e", b"\0\0"))
    waiting.stop()
    assert set(kept(deployment.store)) == {f"{number}.jpg" for number in range(3, 8)}
    assert len(list(listed(deployment.store))) == 3


def test_what_the_store_refuses_is_not_tried_again(
    deployment: Deployment, start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What it will never take is lost, with a warning; the results are there."""
    monkeypatch.setattr(features, "_EVERY_S", 0.05)
    tried = []

    def rule(method: str, path: str, _: HTTPMessage) -> Refusal | None:
        if method != "PUT" or "/features/" not in path:
            return None
        tried.append(path)
        return Refusal(403, "InvalidObjectState")

    with lacking_store(deployment.settings.s3_endpoint_url, rule) as store:
        handler = start(s3_endpoint_url=store.url)
        judge(deployment, handler, "a.jpg", SAMPLES[0].read_bytes())
        deadline = time.monotonic() + 60
        while "features are lost" not in caplog.text:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        handler.features.stop()
    assert len(tried) == 1 and ResultsBucket(deployment.store).read("a.jpg")
