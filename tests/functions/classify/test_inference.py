"""The Open Inference Protocol, as clients of KServe speak it."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import jsonschema
import numpy as np
import pytest
import yaml
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.test import TestResponse

from cosmoformer.models import artifact
from cosmoformer.models.bundled import BUNDLED
from cosmoformer.storage.results import ResultsBucket
from functions.classify import predictor
from functions.classify.app import build_app
from functions.classify.handler import Handler
from functions.classify.serving import ModelServing
from functions.classify.tensors import MOST_IMAGES
from tests.contracts import contract
from tests.functions.classify.conftest import Deployment

SAMPLES = ("two_armed_spiral.jpg", "round_smooth.jpg")
FILES = [(BUNDLED / "samples" / name).read_bytes() for name in SAMPLES]


@pytest.fixture
def deployment(deployment: Deployment, standing: ModelServing) -> Deployment:
    """Buckets of its own, and the model that stands for all tests here."""
    return deployment.of_model(standing.current().version.name)


@pytest.fixture
def serving(standing: ModelServing) -> ModelServing:
    """That model."""
    return standing


@pytest.fixture
def path(deployment: Deployment) -> str:
    """Of the model."""
    return f"/v2/models/{deployment.settings.model_name}"


def files(*contents: bytes, **also: Any) -> dict[str, Any]:
    """A request with files."""
    data = [base64.b64encode(content).decode() for content in contents]
    parameters = {"content_type": "base64"}
    tensor = {"name": "image", "shape": [len(data)], "datatype": "BYTES", "data": data, "parameters": parameters}
    return {"id": "42", "inputs": [tensor], **also}


def pixels(*pictures: np.ndarray) -> dict[str, Any]:
    """A request with pixels."""
    batch = np.stack(pictures)
    tensor = {"name": "pixels", "shape": list(batch.shape), "datatype": "UINT8", "data": batch.tolist()}
    return {"inputs": [tensor]}


def tensors(answer: TestResponse) -> dict[str, dict[str, Any]]:
    """The outputs by name."""
    assert answer.status_code == 200, answer.text
    return {tensor["name"]: tensor for tensor in json.loads(answer.data)["outputs"]}


def array(tensor: dict[str, Any]) -> np.ndarray:
    return np.array(tensor["data"]).reshape(tensor["shape"])


def test_several_files_are_answered_as_images_that_come_by_themselves(client: FlaskClient, path: str) -> None:
    """Class, probabilities, votes and likeness of each, with the names of what they are of."""
    answer = client.post(f"{path}/infer", json=files(*FILES))
    found = tensors(answer)
    members = json.loads(answer.data)
    assert (members["id"], members["model_name"], members["model_version"]) == ("42", path.rpartition("/")[2], "1")
    for number, content in enumerate(FILES):
        bare = json.loads(client.post("/", data=content, content_type="image/jpeg").data)["prediction"]
        assert found["class"]["data"][number] == bare["class"]
        names = found["class_names"]["data"]
        assert dict(zip(names, array(found["probabilities"])[number], strict=True)) == bare["probabilities"]
        votes = dict(zip(found["vote_names"]["data"], array(found["votes"])[number], strict=True))
        assert votes["bar/yes"] == bare["votes"]["bar"]["fractions"]["yes"]
        asked = dict(zip(found["question_names"]["data"], array(found["asked"])[number], strict=True))
        assert asked["bar"] == bare["votes"]["bar"]["asked"]
        assert found["in_domain"]["data"][number] == bare["in_domain"]


def test_feature_vectors_are_answered(client: FlaskClient, path: str, model: bytes) -> None:
    """Each image's is the artifact's own, as it is kept of images in the bucket, and the metadata tell its length."""
    loaded = artifact.load(model)
    found = array(tensors(client.post(f"{path}/infer", json=files(*FILES, outputs=[{"name": "features"}])))["features"])
    (told,) = (one for one in json.loads(client.get(path).data)["outputs"] if one["name"] == "features")
    assert (told["datatype"], told["shape"]) == ("FP32", [-1, loaded.metadata.features])
    for vector, content in zip(found, FILES, strict=True):
        picture = predictor.decode(content, predictor.Limits(1 << 20, 1 << 22))
        _, expected = predictor.described(loaded, predictor.preprocess(picture.seen))
        assert np.allclose(vector, np.frombuffer(expected, "<f2").astype(np.float32), rtol=1e-3, atol=1e-3)


def test_pixels_are_judged_as_a_file_of_them(client: FlaskClient, path: str) -> None:
    """A tensor is what a lossless file of the same pixels is."""
    with Image.open(io.BytesIO(FILES[0])) as picture:
        square = np.asarray(picture.convert("RGB").resize((160, 160)))
    file = io.BytesIO()
    Image.fromarray(square).save(file, "PNG")
    expected = tensors(client.post(f"{path}/infer", json=files(file.getvalue(), file.getvalue())))
    found = tensors(client.post(f"{path}/infer", json=pixels(square, square)))
    assert found == expected and found["class"]["shape"] == [2]


def test_answers_are_as_the_protocols_description_says(client: FlaskClient, path: str) -> None:
    """Every answer is valid by the published schemas, and the tensors are those that the model's metadata name."""
    schemas = yaml.safe_load(contract("open-inference-protocol/open_inference_rest.yaml").read_text())["components"]

    def check(document: bytes, name: str) -> Any:
        """The OpenAPI file's own references are looked up in it."""
        members = json.loads(document)
        jsonschema.validate(members, {"$ref": f"#/components/schemas/{name}", "components": schemas})
        return members

    check(json.dumps(files(*FILES)).encode(), "inference_request")
    check(client.get("/v2").data, "metadata_server_response")
    check(client.get("/v2/").data, "metadata_server_response")
    model = check(client.get(path).data, "metadata_model_response")
    assert check(client.get(f"{path}/versions/1").data, "metadata_model_response") == model
    answer = check(client.post(f"{path}/versions/1/infer", json=files(*FILES)).data, "inference_response")
    given = [(one["name"], one["datatype"], one["shape"]) for one in answer["outputs"]]
    declared = [(one["name"], one["datatype"], one["shape"]) for one in model["outputs"]]
    assert given == [(name, kind, [2 if side == -1 else side for side in shape]) for name, kind, shape in declared]
    error = check(client.post(f"{path}/infer", json={}).data, "inference_error_response")
    assert list(error) == ["error"]


@pytest.mark.parametrize("end", ["", "/versions/1"])
def test_health_and_metadata_are_told(client: FlaskClient, path: str, end: str) -> None:
    """Of the server and of the model, by name and version or by name alone."""
    assert json.loads(client.get("/v2/health/live").data) == {"live": True}
    assert json.loads(client.get("/v2/health/ready").data) == {"ready": True}
    assert json.loads(client.get(f"{path}{end}/ready").data)["ready"] is True
    described = json.loads(client.get(f"{path}{end}").data)
    assert (described["versions"], described["platform"]) == (["1"], "pytorch_torchscript")
    assert [tensor["name"] for tensor in described["outputs"]][:3] == ["class", "probabilities", "class_names"]


@pytest.mark.parametrize(
    "end", ["/versions/2", "/versions/2/ready", "x", "x/ready", "/versions/1/explain", "/../../health"]
)
def test_what_is_not_served_is_404(client: FlaskClient, path: str, end: str) -> None:
    """Other models, other versions and other paths, in the protocol's own shape."""
    answer = client.get(f"{path}{end}")
    assert answer.status_code == 404 and list(json.loads(answer.data)) == ["error"]


def test_outputs_can_be_chosen(client: FlaskClient, path: str) -> None:
    """In the order in which they are asked for; one that the model lacks is named."""
    wanted = [{"name": "in_domain"}, {"name": "class"}]
    answer = client.post(f"{path}/infer", json=files(FILES[0], outputs=wanted))
    assert list(tensors(answer)) == ["in_domain", "class"]
    wrong = client.post(f"{path}/infer", json=files(FILES[0], outputs=[{"name": "logits"}]))
    assert wrong.status_code == 400 and "got logits" in json.loads(wrong.data)["error"]


BASE = files(FILES[0])["inputs"][0]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "expected the JSON of an inference request"),
        (b"[]", "expected a JSON object"),
        (b'{"inputs": []}', "expected one input"),
        ({"inputs": [BASE, BASE]}, "expected one input"),
        ({"inputs": [BASE | {"shape": [2]}]}, "expected 2 elements, as the shape says, got 1"),
        ({"inputs": [BASE | {"shape": [1, 10**200, 10**200]}]}, "expected at most 4 sides of at most 100,000"),
        ({"inputs": [BASE | {"shape": [1] * 5}]}, "expected at most 4 sides"),
        ({"inputs": [BASE | {"shape": [-1]}]}, "expected a shape of whole numbers above 0"),
        ({"inputs": [BASE | {"shape": [True]}]}, "expected a shape of whole numbers above 0"),
        ({"inputs": [BASE | {"shape": [1000]}]}, f"expected at most {MOST_IMAGES} images"),
        ({"inputs": [BASE | {"shape": [1, 1000]}]}, "got 1"),
        ({"inputs": [BASE | {"datatype": "FP32"}]}, "expected BYTES or UINT8, got FP32"),
        ({"inputs": [BASE | {"data": ["no base64!"]}]}, "expected files in base64"),
        ({"inputs": [BASE | {"data": [5]}]}, "expected files in base64"),
        ({"inputs": [BASE | {"parameters": {"content_type": "str"}}]}, "expected the content_type base64, got 'str'"),
        ({"inputs": [BASE | {"data": ["aGVsbG8="]}]}, "image 0: not_an_image: "),
        ({"inputs": [{"datatype": "UINT8", "shape": [1, 1, 2, 3], "data": [0] * 6}]}, "of shape [1, 1, 2, 3]"),
        ({"inputs": [{"datatype": "UINT8", "shape": [1, 2, 2, 3], "data": [256] * 12}]}, "from 0 to 255"),
        ({"inputs": [{"datatype": "UINT8", "shape": [1, 2, 2, 3], "data": [7] * 12}]}, "image 0: no_picture: "),
    ],
)
def test_what_is_wrong_with_a_request_is_said(
    client: FlaskClient, path: str, body: bytes | dict[str, Any], told: str
) -> None:
    """As an error of the protocol, status 400; no image of such a request is answered."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post(f"{path}/infer", data=content, content_type="application/json")
    assert answer.status_code == 400
    assert list(json.loads(answer.data)) == ["error"] and told in json.loads(answer.data)["error"]


def test_tensors_in_binary_are_refused(client: FlaskClient, path: str) -> None:
    """The protocol's extension for them is none of those that are told."""
    headers = {"Inference-Header-Content-Length": "2"}
    answer = client.post(f"{path}/infer", data=b"{}rest", headers=headers)
    assert answer.status_code == 400 and "binary" in json.loads(answer.data)["error"]
    assert json.loads(client.get("/v2").data)["extensions"] == []


def test_limits_are_those_of_other_images(client: FlaskClient, path: str) -> None:
    """A body that is too large is not read, and a file that is too large is rejected."""
    answer = client.post(f"{path}/infer", data=b" " * (3 << 20), content_type="application/json")
    assert answer.status_code == 413 and "error" in json.loads(answer.data)
    large = client.post(f"{path}/infer", json=files(bytes((1 << 20) + 1)))
    assert large.status_code == 400 and "too_large" in json.loads(large.data)["error"]


def test_without_a_model_clients_are_told_to_come_back(deployment: Deployment) -> None:
    """Live, but not ready."""
    serving, gate = deployment.serving(), deployment.gate()
    gate.refresh()
    handler = Handler(deployment.settings, deployment.store, ResultsBucket(deployment.store), serving)
    client = build_app(deployment.settings, handler, serving, gate).test_client()
    assert client.get("/v2/health/live").status_code == 200
    for answer in (
        client.get("/v2/health/ready"),
        client.post(f"/v2/models/{deployment.settings.model_name}/infer", json=files(FILES[0])),
    ):
        assert answer.status_code == 503 and "error" in json.loads(answer.data)
