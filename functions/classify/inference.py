"""The Open Inference Protocol, version 2 (REST), beside CloudEvents: for clients of KServe, MLServer and Triton.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md. A request has one input:
files of images as BYTES, base64 in JSON, or pixels as UINT8 of shape [N, S, S, 3]. They wait in the same line, under the same
limits, as images that come by themselves, and are recorded nowhere either. Errors are ``{"error": …}``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException, NotFound

from cosmoformer import strict_json
from cosmoformer.errors import CosmoFormerError, InvalidRequest
from cosmoformer.settings import Settings
from cosmoformer.storage.facts import Origin
from functions.classify import metrics
from functions.classify.handler import Handler
from functions.classify.limits import read_body
from functions.classify.serving import ModelServing, Served
from functions.classify.tensors import Judged, images_of, output_tensors, outputs_of_model
from functions.runtime.store_gate import StoreGate

log = logging.getLogger(__name__)

_NAME, _VERSION = "/v2/models/<name>", "/v2/models/<name>/versions/<version>"
_INPUTS = (
    {"name": "image", "datatype": "BYTES", "shape": [-1]},
    {"name": "pixels", "datatype": "UINT8", "shape": [-1, -1, -1, 3]},
)
_ONE_OF_THEM = "one of them: files of images in base64, or square pixels, red, green and blue"


def routes(settings: Settings, handler: Handler, serving: ModelServing, gate: StoreGate) -> Blueprint:
    """What is served below ``/v2``."""
    v2 = Blueprint("inference", __name__)

    def served(name: str, version: str | None) -> Served:
        found = serving.current()
        if name != found.version.name or version not in (None, str(found.version.version)):
            asked = name if version is None else f"{name}, version {version},"
            raise NotFound(f"the model {asked} is not served; served is {found.version.name}, {found.version.version}")
        return found

    @v2.get("/v2", strict_slashes=False)
    def _server() -> Response:
        return _json({"name": "cosmoformer", "version": "2", "extensions": []})

    @v2.get("/v2/health/live")
    def _live() -> Response:
        handler.check_alive()
        return _json({"live": True})

    @v2.get("/v2/health/ready")
    def _ready() -> Response:
        gate.check()
        serving.current()
        return _json({"ready": True})

    @v2.get(_NAME)
    @v2.get(_VERSION)
    def _model(name: str, version: str | None = None) -> Response:
        return _json(_described(served(name, version)))

    @v2.get(f"{_NAME}/ready")
    @v2.get(f"{_VERSION}/ready")
    def _model_ready(name: str, version: str | None = None) -> Response:
        served(name, version)
        return _json({"name": name, "ready": True})

    @v2.post(f"{_NAME}/infer")
    @v2.post(f"{_VERSION}/infer")
    def _infer(name: str, version: str | None = None) -> Response:
        by = served(name, version)  # for the whole request, whatever is promoted meanwhile
        return _json(_inferred(_request(settings), settings, handler, by))

    @v2.route("/v2/<path:_>", methods=["GET", "POST"])
    def _unknown(_: str) -> Response:
        raise NotFound(f"the Open Inference Protocol has no {request.method} {request.path}")

    _answer_errors(v2)
    return v2


def _described(served: Served) -> dict[str, Any]:
    return {
        "name": served.version.name,
        "versions": [str(served.version.version)],
        "platform": "pytorch_torchscript",
        "inputs": list(_INPUTS),
        "outputs": outputs_of_model(served.artifact.metadata),
        "properties": {"inputs": _ONE_OF_THEM, "task": served.artifact.metadata.task},
    }


def _request(settings: Settings) -> Mapping[str, Any]:
    """The body of a request for inference.

    Raises:
        InvalidRequest: it is none, or has tensors in binary.
        TooLarge: it has more bytes than are read.
    """
    if "Inference-Header-Content-Length" in request.headers:
        raise InvalidRequest("tensors in binary are not read", "Send data as JSON: tritonclient's binary_data=False")
    try:
        document = strict_json.loads(read_body(settings))
    except ValueError as error:
        raise InvalidRequest(f"expected the JSON of an inference request: {error}") from None
    if not isinstance(document, dict):
        raise InvalidRequest("expected a JSON object with inputs, got something else")
    return document


def _inferred(asked: Mapping[str, Any], settings: Settings, handler: Handler, served: Served) -> dict[str, Any]:
    contents = images_of(asked.get("inputs"), settings)
    images = [_judged(number, content, handler, served) for number, content in enumerate(contents)]
    answer = {"model_name": served.version.name, "model_version": str(served.version.version)}
    if isinstance(asked.get("id"), str):
        answer["id"] = asked["id"]
    return {**answer, "outputs": output_tensors(images, asked.get("outputs"))}


def _judged(number: int, content: bytes, handler: Handler, served: Served) -> Judged:
    """What a model says of one of the images.

    Raises:
        InvalidRequest: the image was rejected; the protocol has no word for a part of an answer.
    """
    result, features = handler.describe_bytes(content, Origin(None, None, None, datetime.now(UTC)), served)
    if rejection := result["rejection"]:
        raise InvalidRequest(f"image {number}: {rejection['code']}: {rejection['reason']}")
    return Judged(result["prediction"], features)


def _json(document: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    # ASCII, since an answer may repeat what no UTF-8 can hold: half a surrogate pair.
    return Response(json.dumps(document), status, headers, mimetype="application/json")


def _answer_errors(v2: Blueprint) -> None:
    """Let every error have the protocol's shape."""

    @v2.errorhandler(CosmoFormerError)
    def _problem(error: CosmoFormerError) -> Response:
        metrics.FAILURES.count(type(error).__name__)
        retry = getattr(error, "retry_after_s", None)
        return _json({"error": str(error)}, error.status, {"Retry-After": str(retry)} if retry else None)

    @v2.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        return _json({"error": error.description or error.name}, error.code or 500)

    @v2.errorhandler(Exception)
    def _unexpected(error: Exception) -> Response:
        log.exception("unexpected error")
        metrics.FAILURES.count("unexpected")
        return _json({"error": f"unexpected {type(error).__name__}"}, 500)
