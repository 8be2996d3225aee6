"""Images in a real store that were judged by a real model, of which a registry knows."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

from cosmoformer.api.classifier import Classifier
from cosmoformer.models import artifact
from cosmoformer.models.bundled import BUNDLED, bundle
from cosmoformer.models.registration import register
from cosmoformer.models.registry import ModelVersion, Registry
from cosmoformer.storage.facts import ImageFacts, Origin
from cosmoformer.storage.results import ResultsBucket, classified
from cosmoformer.storage.store import Store
from tests.conftest import ObjectStore
from tests.mlflow_server import MlflowServer

SAMPLES = {path.stem: path.read_bytes() for path in sorted((BUNDLED / "samples").glob("*.jpg"))}


@pytest.fixture(scope="session")
def describing() -> bytes:
    """The bundled model, which gives features if it does not already."""
    from training.repack import repacked  # needs torch, which few of these tests do

    model = bundle().artifact
    return model if artifact.read_metadata(model).features else repacked(model)


@dataclass(frozen=True)
class Judged:
    """A store with images and results, and the model that they are by."""

    store: Store
    version: ModelVersion
    classifier: Classifier

    def judge(self, key: str, content: bytes) -> None:
        """Put an image and its result, as classify does, without a vector."""
        settings = self.store.settings
        self.store.write(settings.images_bucket, key, content, "image/jpeg")
        found, info = self.classifier.classify(content), self.store.head_image(key)
        size = found.width, found.height, found.format
        digest = hashlib.sha256(content).hexdigest()
        facts = ImageFacts(settings.images_bucket, key, info.etag, info.size, None, digest, *size)
        origin = Origin("event", "urn:test", "2026-01-02T03:04:05Z", datetime.now(UTC))
        ResultsBucket(self.store).write(classified(facts, found.outputs, "clean5", self.version, origin, 0.7))


@pytest.fixture
def judged(
    object_store: ObjectStore, mlflow_server: MlflowServer, bucket: Callable[[], str], tmp_path: Path, describing: bytes
) -> Judged:
    """A store with all samples, judged by a model that is the champion."""
    settings = object_store.settings(
        images_bucket=bucket(),
        results_bucket=bucket(),
        mlflow_tracking_uri=mlflow_server.url,
        model_name=f"test-{uuid4().hex[:8]}",
        likeness_cache_dir=tmp_path / "likeness",
    )
    version = register(Registry(settings), describing, tags={}, alias="champion")
    found = Judged(Store(settings), version, Classifier(describing, settings=settings))
    for name, content in SAMPLES.items():
        found.judge(f"demo/{name}.jpg", content)
    return found


def noisy(content: bytes) -> bytes:
    """The same galaxy in another file, with a little noise."""
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 3, pixels.shape)
    stream = io.BytesIO()
    Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()
