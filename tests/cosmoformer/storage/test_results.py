"""Results: their keys and their schema."""

from __future__ import annotations

from datetime import UTC, datetime

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosmoformer.models.registry import ModelVersion
from cosmoformer.settings import load
from cosmoformer.storage import results
from cosmoformer.storage.domain import Domain
from cosmoformer.storage.facts import ImageFacts, Origin
from cosmoformer.storage.result_shape import schema
from cosmoformer.storage.results import result_key

SETTINGS = load({})
VALIDATOR = jsonschema.Draft202012Validator(schema(), format_checker=jsonschema.FormatChecker())
keys = st.text(st.characters(exclude_categories=("Cs",)), min_size=1).filter(lambda key: len(key.encode()) <= 1024)


@given(keys)
def test_every_key_has_a_result_key_within_the_limit(key: str) -> None:
    """Whatever the image key, the result's key is valid: at most 1,024 bytes of UTF-8, under the prefix."""
    made = result_key(SETTINGS, key)
    assert len(made.encode()) <= 1024
    assert made.startswith("results/") and made.endswith(".json")


@given(keys, keys)
def test_two_images_never_share_a_result(one: str, other: str) -> None:
    """Different image keys have different result keys."""
    assert (result_key(SETTINGS, one) == result_key(SETTINGS, other)) == (one == other)


@pytest.mark.parametrize("tail", ["a", "b", "é"])
def test_long_keys_that_differ_at_the_end_differ(tail: str) -> None:
    """Keys that are cut are told apart by their digest."""
    assert result_key(SETTINGS, "ü" * 500 + tail) != result_key(SETTINGS, "ü" * 500 + "x")


def test_results_match_the_schema() -> None:
    """All kinds of result validate; a classified result without its prediction does not, nor half a classification."""
    image = ImageFacts("b", "k", "e", 3, "2026-01-01T00:00:00.000Z", "0" * 64, 4, 5, "PNG", ("l_to_rgb",))
    version = ModelVersion("m", 1, "", "mlflow-artifacts:/m", "1" * 64)
    origin = Origin("id", "source", "2026-01-01T00:00:00Z", datetime.now(UTC))
    good = results.classified(image, {"spiral": 0.6, "edge_on": 0.4}, "clean5", version, origin, 0.7)
    VALIDATOR.validate(good)
    VALIDATOR.validate(results.rejected(image, "damaged", "Cut off.", None, origin))
    assert (good["prediction"]["class"], good["prediction"]["unsure"]) == ("spiral", True)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(good | {"prediction": None})
    estimate = results.estimated(image, {"inclination": 61.5}, "inclination", version, origin)
    VALIDATOR.validate(estimate)
    assert estimate["prediction"] == {"task": "inclination", "values": {"inclination": 61.5}}
    shares = {"spiral": 0.6, "edge_on": 0.4}
    told = results.classified(image, shares, "clean5", version, origin, 0.7, Domain(0.2, 0.5))["prediction"]
    VALIDATOR.validate(good | {"prediction": told})
    for name in ("in_domain", "no_galaxy", "no_galaxy_below"):
        with pytest.raises(jsonschema.ValidationError):
            VALIDATOR.validate(good | {"prediction": {key: told[key] for key in told if key != name}})
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(good | {"prediction": {"class": "spiral"} | estimate["prediction"]})
