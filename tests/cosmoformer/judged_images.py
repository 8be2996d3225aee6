"""Images in a real store that were judged by a real model, of which a registry knows."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from cosmoformer.api.classifier import Classifier
from cosmoformer.models.bundled import BUNDLED
from cosmoformer.models.registry import ModelVersion
from cosmoformer.storage.facts import ImageFacts, Origin
from cosmoformer.storage.results import ResultsBucket, classified
from cosmoformer.storage.store import Store
from tests.deployments import Deployment

SAMPLES = {path.stem: path.read_bytes() for path in sorted((BUNDLED / "samples").glob("*.jpg"))}


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
def judged(deployment: Deployment, describing: bytes) -> Judged:
    """A store with all samples, judged by a model that is the champion."""
    version = deployment.register(describing, alias="champion")
    found = Judged(deployment.store, version, Classifier(describing, settings=deployment.settings))
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
