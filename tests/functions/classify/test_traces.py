"""The trace of an image goes on with the reply, and stands in the log."""

from __future__ import annotations

import logging

import pytest

from cosmoformer import logs
from cosmoformer.events import cloudevents
from cosmoformer.models.bundled import BUNDLED
from cosmoformer.storage.results import ResultsBucket
from functions.classify.app import build_app
from functions.classify.handler import Handler
from tests.functions.classify.conftest import Deployment

ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACE = {"traceparent": f"00-{ID}-00f067aa0ba902b7-01", "tracestate": "a=1"}


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_the_reply_and_the_log_tell_the_events_trace(deployment: Deployment, model: bytes, mode: str) -> None:
    """Whichever mode the event came in; a header of a request that is younger does not count."""
    deployment.register(model, alias="champion")
    serving, gate = deployment.serving(), deployment.gate()
    serving.refresh()
    gate.refresh()
    told: list[object] = []
    handler = Handler(deployment.settings, deployment.store, ResultsBucket(deployment.store), serving)
    client = build_app(deployment.settings, handler, serving, gate).test_client()
    bucket, key = deployment.settings.images_bucket, "a.jpg"
    deployment.store.write(bucket, key, (BUNDLED / "samples" / "round_smooth.jpg").read_bytes(), "image/jpeg")
    event = cloudevents.new(
        type=f"{cloudevents.OBJECT_CREATED}Put",
        source="ceph:s3..images",
        id="1",
        subject=key,
        data={"bucket": bucket, "key": key},
        **TRACE,
    )
    headers, body = cloudevents.to_binary(event) if mode == "binary" else cloudevents.to_structured(event)
    watching = logging.Handler()
    watching.emit = lambda record: told.append(logs.bound_value("trace_id"))  # type: ignore[method-assign]
    handling = logging.getLogger("functions.classify.handler")
    handling.addHandler(watching)
    handling.setLevel(logging.INFO)
    try:
        answer = client.post("/", headers=headers, data=body)
    finally:
        handling.removeHandler(watching)
    reply = cloudevents.parse(dict(answer.headers), answer.data)
    assert {name: reply.attributes[name] for name in TRACE} == TRACE
    assert told and set(told) == {ID}
