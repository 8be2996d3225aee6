"""What is told of an object, from metadata, headers and requests to the result in the bucket."""

from __future__ import annotations

import io
import json
from typing import Any

import jsonschema
import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from cosmoformer.errors import ObjectGone
from cosmoformer.events.notifications import ObjectCreated
from cosmoformer.settings import Settings
from cosmoformer.storage.result_shape import schema
from cosmoformer.storage.results import ResultsBucket
from functions.classify import metrics
from functions.classify.handler import Handler
from tests.cosmoformer.tiny_artifact import joint_artifact
from tests.functions.classify.conftest import Deployment

KEY = "night 1/J123049.42+122328.0.png"


def ringed() -> bytes:
    """A red square in the middle of a blue picture."""
    pixels = np.full((64, 64, 3), (10, 10, 200), np.uint8)
    pixels[16:48, 16:48] = (200, 10, 10)
    pixels[32, 32] = 0
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


class Stage:
    """A handler with a model that wants eight radii, and its store."""

    def __init__(self, deployment: Deployment, model: bytes | None = None, **settings: Any) -> None:
        self.store, self.settings = deployment.store, deployment.settings
        version = deployment.register(model or joint_artifact(radii=8.0))
        deployment.registry.set_alias("champion", version.version)
        serving = deployment.serving()
        serving.refresh()
        self.bucket = ResultsBucket(self.store, lambda: deployment.registry.resolve("champion").identity)
        self.handler = Handler(Settings(**{**vars(self.settings), **settings}), self.store, self.bucket, serving)

    def put(self, content: bytes, key: str = KEY, **metadata: str) -> dict[str, Any]:
        """Drop an image with metadata and judge it; its result."""
        bucket = self.settings.images_bucket
        self.store.client.put_object(Bucket=bucket, Key=key, Body=content, Metadata=metadata)
        event = ObjectCreated(bucket, key, "ObjectCreated:Put", "ceph:s3", "", None, key).event()
        self.handler.handle(event)
        result = self.bucket.read(key)
        assert result
        jsonschema.validate(json.loads(json.dumps(result)), schema())
        return result


def test_metadata_of_an_object_stand_in_its_result_and_frame_it(deployment: Deployment) -> None:
    """Of 64 pixels of 1 arcsec, a galaxy of 4 arcsec is shown in the central 32: red, where the whole is blue."""
    stage = Stage(deployment)
    whole = stage.put(ringed())
    assert (whole["prediction"]["class"], whole["image"]["zoom"], "object" in whole) == ("blue", 1, False)
    told = {"object-id": "VCC 1316", "ra": "187.7", "dec": "12.4", "pixel-scale": "1", "size-arcsec": "4"}
    shown = stage.put(ringed(), **told)
    assert (shown["prediction"]["class"], shown["image"]["zoom"]) == ("red", 2)
    assert shown["object"] == {
        "object_id": "VCC 1316",
        "ra": 187.7,
        "dec": 12.4,
        "pixel_scale": 1,
        "size_arcsec": 4,
        "told": sorted(["object_id", "ra", "dec", "pixel_scale", "size_arcsec"]),
        "ignored": [],
    }


@pytest.mark.parametrize("prefix", ["", "incoming/"])
def test_metadata_of_an_upload_tell_nothing(deployment: Deployment, prefix: str) -> None:
    """Whoever is given an address can send any: they decide on no name, place or framing, and leave no sentence."""
    deployment.settings.images_prefix = prefix
    stage = Stage(deployment)
    told = {"object-id": "M 31", "ra": "10.7", "dec": "41.3", "zoom": "2", "survey": "x" * 100}
    result = stage.put(ringed(), f"{prefix}uploads/2026/a.png", **told)
    assert (result["prediction"]["class"], result["image"]["zoom"], "object" in result) == ("blue", 1, False)
    assert stage.put(ringed(), f"{prefix}uploads/2026/a.png", zoom="3") == result, "nor is it judged again for them"
    assert stage.put(ringed(), f"{prefix}uploads.png", zoom="2")["prediction"]["class"] == "red"


def test_the_same_words_are_not_judged_twice(deployment: Deployment) -> None:
    """A second event about the same bytes and metadata is answered with the result that stands; other metadata are not."""
    stage = Stage(deployment)
    first = stage.put(ringed(), survey="SDSS")
    assert stage.put(ringed(), survey="SDSS") == first
    other = stage.put(ringed(), survey="DECaLS")
    assert other["object"]["survey"] == "DECaLS"
    assert "object" not in stage.put(ringed())


def test_of_two_sets_of_metadata_that_of_the_bucket_stays(deployment: Deployment) -> None:
    """A writer that read the image before its metadata were changed does not overwrite the newer result."""
    stage = Stage(deployment)
    old = stage.put(ringed(), survey="SDSS")
    new = stage.put(ringed(), survey="DECaLS")
    assert stage.bucket.write(old) == new
    assert stage.bucket.read(KEY) == new


def test_an_image_is_predicted_once_for_each_framing(deployment: Deployment) -> None:
    """The same bytes under another key are known, unless they are shown in another way."""
    stage = Stage(deployment)
    before = metrics.KNOWN._value.get()
    stage.put(ringed(), "a.png", zoom="2")
    stage.put(ringed(), "b.png")
    assert metrics.KNOWN._value.get() == before
    assert stage.put(ringed(), "c.png", zoom="2")["prediction"]["class"] == "red"
    assert stage.put(ringed(), "d.png")["prediction"]["class"] == "blue"
    assert metrics.KNOWN._value.get() == before + 2


@pytest.mark.parametrize("metadata", [{"ra": "400", "dec": "0"}, {"zoom": "many"}, {"object-id": "x" * 200}])
def test_metadata_that_are_wrong_cost_no_result(deployment: Deployment, metadata: dict[str, str]) -> None:
    """The image is classified as it is, and the result names what was not used."""
    result = Stage(deployment).put(ringed(), **metadata)
    assert result["prediction"]["class"] == "blue"
    assert result["object"]["ignored"]


def test_text_beyond_ascii_comes_through_the_store(deployment: Deployment) -> None:
    """UTF-8 in a header, as curl and browsers send it, is the name that was meant."""
    stage = Stage(deployment)
    # botocore refuses it; a presigned address does not.
    url = stage.store.client.generate_presigned_url(
        "put_object", {"Bucket": stage.settings.images_bucket, "Key": "u.png", "Metadata": {"object-id": "x"}}
    )
    assert url
    result = stage.put(ringed(), "u.png", **{"object-id": "=?utf-8?q?Malin_1=C2=B0?="})
    assert result["object"]["object_id"] == "Malin 1°"


def test_a_rejected_file_keeps_its_name_and_place(deployment: Deployment) -> None:
    """A catalogue row without a class is still the row of its object."""
    result = Stage(deployment).put(b"no image", "notes.png", **{"object-id": "X 1", "ra": "1", "dec": "2"})
    assert (result["status"], result["object"]["object_id"], result["object"]["ra"]) == ("rejected", "X 1", 1)


def test_a_fits_header_tells_what_nobody_told(deployment: Deployment) -> None:
    """Place and scale come from the header, at the first judgement and when it is known from before."""
    unit = fits.PrimaryHDU(np.random.default_rng(1).normal(size=(32, 32)).astype(np.float32))
    unit.header.update({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0, "CRPIX1": 16.5})
    unit.header.update({"CRPIX2": 16.5, "CDELT1": -1 / 3600, "CDELT2": 1 / 3600, "OBJECT": "COSMOS 7"})
    file = io.BytesIO()
    unit.writeto(file)
    stage = Stage(deployment)
    for key in ("first.fits", "second.fits"):
        known = stage.put(file.getvalue(), key, survey="COSMOS")["object"]
        assert (known["object_id"], known["survey"], known["told"]) == ("COSMOS 7", "COSMOS", ["survey"])
        assert (known["ra"], known["dec"], known["pixel_scale"]) == pytest.approx((150, 2, 1))


def test_names_are_places_where_a_setting_says_so(deployment: Deployment) -> None:
    """By default a key is just a key."""
    assert "object" not in Stage(deployment).put(ringed())
    known = Stage(deployment, names_are_positions=True).put(ringed(), KEY.replace("night 1", "night 2"))["object"]
    assert known["object_id"] == "J123049.42+122328.0"
    assert (known["ra"], known["dec"]) == pytest.approx((187.70592, 12.39111), abs=1e-5)


def test_a_setting_zooms_into_every_image_of_which_nothing_is_told(deployment: Deployment) -> None:
    """For a survey whose images show more sky; what comes with an image counts more."""
    stage = Stage(deployment, zoom=2.0)
    assert stage.put(ringed())["prediction"]["class"] == "red"
    assert stage.put(ringed(), zoom="1")["prediction"]["class"] == "blue"


def test_an_image_that_is_gone_leaves_no_result(deployment: Deployment) -> None:
    """Comparing metadata asks the store, which may no longer have the image."""
    stage = Stage(deployment)
    old = stage.put(ringed(), survey="SDSS")
    stage.put(ringed(), survey="DECaLS")
    stage.store.delete(stage.settings.images_bucket, KEY)
    with pytest.raises(ObjectGone):
        stage.bucket.write(old)
