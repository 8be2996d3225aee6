"""Explanations on request, around a real store, registry and model."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import jsonschema
import pytest
from flask.testing import FlaskClient
from PIL import Image

from cosmoformer.events import cloudevents
from cosmoformer.events.cloudevents import Event
from cosmoformer.models import explanation
from cosmoformer.storage.explanations import explanation_key
from cosmoformer.storage.result_shape import schema
from cosmoformer.storage.results import ResultsBucket
from functions.classify.handler import Handler
from functions.classify.serving import ModelServing
from tests.cosmoformer.tiny_artifact import joint_artifact
from tests.functions.classify.conftest import BUNDLED, Deployment, altered
from tests.functions.classify.test_app import created, drop, recorded, send
from tests.functions.classify.test_groups import red


@pytest.fixture(scope="module")
def galaxy() -> bytes:
    return (BUNDLED / "samples" / "two_armed_spiral.jpg").read_bytes()


def explained(deployment: Deployment, key: str) -> tuple[dict[str, Any], str]:
    """The stored explanation of an image and the object's eTag."""
    place = explanation_key(deployment.settings, key)
    found = deployment.store.read_json(deployment.settings.results_bucket, place)
    assert found
    return found


def asking(deployment: Deployment, key: str, wanted: str = "1") -> Event:
    """An event about an object that asks for its explanation."""
    event = created(deployment, key)
    return Event({**event.attributes, "explain": wanted}, event.data)


def is_heat_map(explanation: dict[str, Any]) -> bool:
    png = Image.open(io.BytesIO(base64.b64decode(explanation["heat_map"]["base64"])))
    return png.format == "PNG"


def test_a_bare_image_is_explained(client: FlaskClient, galaxy: bytes) -> None:
    """``?explain=1`` adds what the class rests on, ``?explain=`` with a name what that output does; else there is nothing."""
    for query, output in {"?explain=1": "spiral", "?explain=bar_no": "bar_no"}.items():
        result = client.post(f"/{query}", data=galaxy, content_type="image/jpeg").json
        jsonschema.validate(result, schema())
        assert result["explanation"]["output"] == output
        assert is_heat_map(result["explanation"])
    assert "explanation" not in client.post("/?explain=0", data=galaxy, content_type="image/jpeg").json


def test_an_image_in_an_event_is_explained(client: FlaskClient, galaxy: bytes) -> None:
    """The extension attribute ``explain`` asks for it, and the reply carries it."""
    event = cloudevents.new(
        type=cloudevents.IMAGE, source="/test", id="1", content_type="image/jpeg", data=galaxy, explain="1"
    )
    answer = send(client, event)
    result = json.loads(answer.data)
    jsonschema.validate(result, schema())
    assert is_heat_map(result["explanation"])


def test_an_object_is_explained_beside_its_result(
    client: FlaskClient,
    deployment: Deployment,
    galaxy: bytes,
) -> None:
    """The explanation names image and version; it is computed once, also for an image that has its result already."""
    drop(deployment, "m51.jpg", galaxy)
    result = json.loads(send(client, created(deployment, "m51.jpg")).data)
    assert "explanation" not in result
    asked = asking(deployment, "m51.jpg")
    assert send(client, asked).status_code == 202
    found, etag = explained(deployment, "m51.jpg")
    assert found["image"] == {name: result["image"][name] for name in ("bucket", "key", "etag", "sha256", "zoom")}
    assert found["model"] == {name: result["model"][name] for name in ("name", "version", "sha256")}
    assert (found["output"], is_heat_map(found)) == ("spiral", True)
    send(client, asked)
    assert explained(deployment, "m51.jpg")[1] == etag
    drop(deployment, "m51.jpg", galaxy[:-2] + b"\xff\xd9 ")  # other bytes, the same picture
    assert json.loads(send(client, asked).data)["image"]["etag"] != result["image"]["etag"]
    assert explained(deployment, "m51.jpg")[0]["image"]["etag"] != found["image"]["etag"]


def test_a_new_version_explains_anew(
    client: FlaskClient,
    serving: ModelServing,
    deployment: Deployment,
    galaxy: bytes,
    model: bytes,
) -> None:
    """What stands of an older version is replaced when the new one is asked; the older one's result stays."""
    drop(deployment, "m51.jpg", galaxy)
    asked = asking(deployment, "m51.jpg")
    result = json.loads(send(client, asked).data)
    assert explained(deployment, "m51.jpg")[0]["model"]["version"] == 1
    version = deployment.register(altered(model, note="second"), alias="champion")
    serving.refresh()
    send(client, asked)
    assert explained(deployment, "m51.jpg")[0]["model"]["version"] == version.version
    assert recorded(deployment, "m51.jpg") == result


def test_another_framing_is_explained_anew(
    client: FlaskClient,
    deployment: Deployment,
    galaxy: bytes,
) -> None:
    """The same bytes shown at another zoom have another explanation, since it is of what the model was shown."""
    place = {"Bucket": deployment.settings.images_bucket, "Key": "m51.jpg", "Body": galaxy}
    for zoom in (1, 2):
        deployment.store.client.put_object(**place, Metadata={"zoom": str(zoom)})
        assert json.loads(send(client, created(deployment, "m51.jpg")).data)["image"]["zoom"] == zoom
        send(client, asking(deployment, "m51.jpg"))
        assert explained(deployment, "m51.jpg")[0]["image"]["zoom"] == zoom


def test_an_unknown_output_is_refused(client: FlaskClient, galaxy: bytes) -> None:
    """400, and the answer names what the model gives."""
    answer = client.post("/?explain=arms", data=galaxy, content_type="image/jpeg")
    assert (answer.status_code, "no output 'arms'" in answer.json["detail"]) == (400, True)


def test_a_model_that_is_too_slow_says_so(
    client: FlaskClient,
    deployment: Deployment,
    galaxy: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """422 for a bare image; for an object the refusal is written down, since somebody waits there, and the result stands."""
    monkeypatch.setattr(explanation, "_USUAL_S", 0.0)
    monkeypatch.setattr(explanation, "_LONGEST_S", 0.0)
    answer = client.post("/?explain=1", data=galaxy, content_type="image/jpeg")
    assert (answer.status_code, answer.json["title"]) == (422, "Not explained")
    drop(deployment, "m51.jpg", galaxy)
    answer = send(client, asking(deployment, "m51.jpg"))
    assert (answer.status_code, answer.json["status"]) == (200, "classified")
    assert "takes" in explained(deployment, "m51.jpg")[0]["refused"]


def test_what_is_no_picture_is_rejected_and_not_explained(client: FlaskClient) -> None:
    """The result says why; there is nothing to explain."""
    result = client.post("/?explain=1", data=b"no picture", content_type="image/jpeg").json
    assert (result["status"], "explanation" in result) == ("rejected", False)


def test_an_output_that_is_named_has_its_own_place(
    client: FlaskClient,
    deployment: Deployment,
    galaxy: bytes,
) -> None:
    """So whoever waits for what the class rests on gets that; of a name that is none it is told there."""
    drop(deployment, "m51.jpg", galaxy)
    for wanted in ("1", "bar_yes"):
        send(client, asking(deployment, "m51.jpg", wanted))
    bar = deployment.store.read_json(
        deployment.settings.results_bucket, explanation_key(deployment.settings, "m51.jpg", "bar_yes")
    )
    assert bar and bar[0]["output"] == "bar_yes"
    assert explained(deployment, "m51.jpg")[0]["output"] == "spiral"
    drop(deployment, "ngc1.jpg", galaxy)
    answer = send(client, asking(deployment, "ngc1.jpg", "arms"))
    assert (answer.status_code, answer.json["status"]) == (200, "classified")
    place = explanation_key(deployment.settings, "ngc1.jpg", "arms")
    refused = deployment.store.read_json(deployment.settings.results_bucket, place)
    assert refused and "no output 'arms'" in refused[0]["refused"]


def test_a_picture_in_an_event_keeps_its_result(client: FlaskClient, galaxy: bytes) -> None:
    """The reply is the only place of it: why there is no explanation stands beside."""
    event = cloudevents.new(
        type=cloudevents.IMAGE, source="/test", id="1", content_type="image/jpeg", data=galaxy, explain="arms"
    )
    result = json.loads(send(client, event).data)
    jsonschema.validate(result, schema())
    assert (result["status"], "no output 'arms'" in result["explanation"]["refused"]) == ("classified", True)


def test_a_model_without_classes_explains_its_first_output(deployment: Deployment) -> None:
    """Once: what stands is not computed again."""
    deployment.register(joint_artifact(classes=(), value=None), alias="champion")
    model = deployment.serving()
    model.refresh()
    handler = Handler(deployment.settings, deployment.store, ResultsBucket(deployment.store), model)
    drop(deployment, "red.png", red())
    asked = asking(deployment, "red.png")
    assert handler.handle(asked)
    found, etag = explained(deployment, "red.png")
    assert found["output"] == "smooth-or-featured_smooth"
    assert handler.handle(asked) is None
    assert explained(deployment, "red.png")[1] == etag
