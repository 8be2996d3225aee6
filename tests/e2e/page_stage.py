"""The page, the ingest function and an object store, all real, with the test in the classifier's place.

So a test decides which result comes, and when. Tests of the page that need no such thing use the whole system instead.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np

from cosmoformer.http.server import HttpServer
from cosmoformer.local.page import PageServer, configuration, security_headers, web_folder
from cosmoformer.local.process import free_port
from cosmoformer.models.registry import ModelVersion
from cosmoformer.served_models import settings_for
from cosmoformer.settings import Settings
from cosmoformer.storage.cors import bucket_cors
from cosmoformer.storage.facts import ImageFacts, Origin
from cosmoformer.storage.features import Seen, document, folder_of, new_key
from cosmoformer.storage.policies import bucket_policy
from cosmoformer.storage.results import ResultsBucket, classified, estimated, rejected
from cosmoformer.storage.store import ObjectInfo, Store, connect
from functions.ingest.app import create_app
from functions.ingest.limits import limits
from functions.runtime.start import INGEST_THREADS
from tests.conftest import ObjectStore

MODEL = ModelVersion("cosmoformer", 3, "run", "source", "a" * 64)
SPIRAL = {"round_smooth": 0.02, "in_between_smooth": 0.03, "cigar_smooth": 0.003, "edge_on": 0.027, "spiral": 0.92}
_PATIENCE_S = 20
T = TypeVar("T")


class Stage:
    """What a test of the page acts on."""

    def __init__(self, page_url: str, settings: Settings) -> None:
        self.page_url = page_url
        self.store = Store(settings)
        self._results = ResultsBucket(self.store)
        self._earlier: set[str] = set()

    def begin(self) -> None:
        """Forget the images that are there, which earlier tests have left."""
        self._earlier = {image.key for image in self._all()}

    def stored(self, count: int) -> list[ObjectInfo]:
        """The images in the bucket, once there are this many."""
        images = self.images
        return until(lambda: found if len(found := images()) >= count else None, f"{count} images in the bucket")

    def images(self) -> list[ObjectInfo]:
        """The images in the bucket now."""
        return [image for image in self._all() if image.key not in self._earlier]

    def _all(self) -> Iterator[ObjectInfo]:
        return self.store.list(self.store.settings.images_bucket)

    def classify(self, image: ObjectInfo, probabilities: Mapping[str, float] = SPIRAL, **also: Any) -> None:
        """Leave a result as the classifier would; ``also`` are the other groups of its prediction, and its ``domain``."""
        self._results.write(classified(self._facts(image), probabilities, "clean5", MODEL, origin(), 0.7, **also))

    def estimate(self, image: ObjectInfo, values: Mapping[str, float], votes: Mapping[str, Any] | None = None) -> None:
        """The same, by a task that is no classification."""
        self._results.write(estimated(self._facts(image), values, "vote_fractions", MODEL, origin(), votes=votes))

    def reject(self, image: ObjectInfo, reason: str) -> None:
        self._results.write(rejected(self._facts(image), "damaged", reason, MODEL, origin()))

    def describe(
        self, vectors: Sequence[tuple[ObjectInfo, Sequence[float]]], model: ModelVersion = MODEL, served: str = ""
    ) -> None:
        """Leave feature vectors of images of one batch, by a model that is served beside the first, or by that."""
        settings = settings_for(self.store.settings, served)
        rows = [Seen(image.key, image.etag, np.array(vector, "<f2").tobytes()) for image, vector in vectors]
        key = new_key(settings, folder_of(settings, rows[0].key), model.sha256)
        assert self.store.write_json(settings.results_bucket, key, document(model.identity, rows), replacing=None)

    def _facts(self, image: ObjectInfo) -> ImageFacts:
        return ImageFacts(self.store.settings.images_bucket, image.key, image.etag, image.size, None)


def origin() -> Origin:
    return Origin("id", "source", None, datetime.now(UTC))


def until(found: Callable[[], T | None], what: str) -> T:
    """The first answer that is not None."""
    deadline = time.monotonic() + _PATIENCE_S
    while (answer := found()) is None:
        assert time.monotonic() < deadline, f"not within {_PATIENCE_S} s: {what}"
        time.sleep(0.05)
    return answer


@contextmanager
def running_stage(object_store: ObjectStore, **overrides: Any) -> Iterator[Stage]:
    """A stage with buckets of its own; settings are overridden by name."""
    page_port = free_port()
    page_url = f"http://127.0.0.1:{page_port}"
    with _buckets(object_store, page_url) as buckets:
        settings = object_store.settings(page_origins=[page_url], sweep_at_start_seconds=0.0, **buckets, **overrides)
        for bucket in buckets.values():
            if policy := bucket_policy(settings, bucket):
                Store(settings).client.put_bucket_policy(Bucket=bucket, Policy=policy)
        ingest = HttpServer(create_app(settings), "127.0.0.1", 0, INGEST_THREADS, limits(settings))
        page = _page(page_port, f"http://127.0.0.1:{ingest.port}", settings)
        for server in (ingest, page):
            server.start("stage")
        yield Stage(page_url, settings)
        for server in (ingest, page):
            server.stop(1)


def _page(port: int, api: str, settings: Settings) -> PageServer:
    folder = web_folder()
    config = configuration(folder, api, settings.max_image_bytes)
    return PageServer(port, folder, config, security_headers(api, settings.store_public_url))


@contextmanager
def _buckets(object_store: ObjectStore, page_url: str) -> Iterator[dict[str, str]]:
    """Two new buckets that the page may use; a store that is not ours gets rid of them."""
    client = connect(object_store.settings())
    names = {f"{kind}_bucket": f"test-{uuid.uuid4().hex[:12]}-{kind}" for kind in ("images", "results")}
    for name in names.values():
        client.create_bucket(Bucket=name)
        client.put_bucket_cors(Bucket=name, CORSConfiguration=bucket_cors([page_url]))
    yield names
    for name in names.values() if object_store.node is None else ():
        store = Store(object_store.settings())
        for entry in store.list(name):
            store.delete(name, entry.key)
        client.delete_bucket(Bucket=name)
