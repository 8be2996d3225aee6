"""Results as the classify function writes them, for tests of those who read them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from cosmoformer.images.sky import Sky
from cosmoformer.models.registry import ModelVersion
from cosmoformer.storage.domain import Domain
from cosmoformer.storage.facts import ImageFacts, Origin
from cosmoformer.storage.results import Result, classified, estimated, rejected, result_key
from cosmoformer.storage.sky_objects import member, read
from cosmoformer.storage.store import Store

MODEL = ModelVersion("cosmoformer", 3, "run-1", "mlflow-artifacts:/1/run-1/artifacts/model.pt", "a" * 64)
PROBABILITIES = {"spiral": 0.9, "edge_on": 0.06, "round_smooth": 0.04}
VALUES = {"inclination (deg)": -77.5, "axis ratio": 0.25}
#: As a model of votes tells them, of two questions.
VOTES = {
    "smooth-or-featured": {"asked": 100.0, "fractions": {"smooth": 0.1, "featured-or-disk": 0.88, "artifact": 0.02}},
    "disk-edge-on": {"asked": 88.0, "fractions": {"yes": 0.25, "no": 0.75}},
}
_ORIGIN = Origin("event-1", "urn:test", "2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC))


def image_facts(key: str, content: bytes = b"pixels") -> ImageFacts:
    """What a result says of an image with this content."""
    etag, digest = hashlib.md5(content).hexdigest(), hashlib.sha256(content).hexdigest()
    taken = "2026-01-02T03:04:05.000Z"
    return ImageFacts(
        "images", key, etag, len(content), taken, digest, 424, 320, "PNG", ("p_to_rgb", "padded_to_square")
    )


def classified_result(
    key: str = "m51.png", content: bytes = b"pixels", probabilities: dict[str, float] = PROBABILITIES
) -> Result:
    """The result of a galaxy."""
    return classified(image_facts(key, content), probabilities, "clean5", MODEL, _ORIGIN, 0.7)


def voted_result(key: str = "m101.png") -> Result:
    """The result of a galaxy by a model that gives classes, votes and a value with a unit."""
    facts, values, units = image_facts(key), {"pitch angle": 21.5}, {"pitch angle": "deg"}
    return classified(facts, PROBABILITIES, "clean5", MODEL, _ORIGIN, 0.7, votes=VOTES, values=values, units=units)


def located_result(key: str = "m87.fits") -> Result:
    """The result of a galaxy of which name, place and size are known."""
    told = read({"object-id": "M 87", "survey": "SDSS", "size-arcsec": "40", "zoom": "1.5", "ra": "400"})
    sky = Sky("NGC 4486", 187.7059, 12.3911, 0.396)
    return classified_result(key) | {"object": member(told, sky, {})}


def strange_result(key: str = "cat.png") -> Result:
    """The result of what is probably no galaxy, whatever class it has."""
    return classified(image_facts(key), PROBABILITIES, "clean5", MODEL, _ORIGIN, 0.7, Domain(0.03, 0.5))


def estimated_result(key: str = "m31.png", values: dict[str, float] = VALUES) -> Result:
    """The result of a galaxy by a task that is no classification."""
    return estimated(image_facts(key), values, "inclination", MODEL, _ORIGIN)


def rejected_result(key: str = "notes.txt", reason: str = "This is no image.") -> Result:
    """The result of a file that is none."""
    facts = ImageFacts("images", key, "e" * 32, 5, None)
    return rejected(facts, "not_an_image", reason, None, _ORIGIN)


def put_results(store: Store, *results: Result) -> None:
    """Write results to the results bucket, whatever stands there."""
    for result in results:
        key = result_key(store.settings, result["image"]["key"])
        found = store.read_json(store.settings.results_bucket, key)
        assert store.write_json(store.settings.results_bucket, key, result, replacing=found and found[1])
