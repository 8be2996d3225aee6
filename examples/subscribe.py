"""Be told of every result as it comes: a subscriber of the CloudEvents that classify replies with.

On Knative this is a Service behind a Trigger; here it is one process and one trigger of its own of the local broker:

    python examples/subscribe.py --port 9000                        # prints one line a result
    python examples/subscribe.py --port 9000 --send result.json     # sends one to it, as a broker would
"""

from __future__ import annotations

import argparse
import json
import uuid
from pathlib import Path

import urllib3
from flask import Flask, Response, request

from cosmoformer.errors import CosmoFormerError, problem
from cosmoformer.events import cloudevents


def create_app() -> Flask:
    """An application that takes events, prints what they say, and answers 204: the event was taken."""
    app = Flask(__name__)

    @app.post("/")
    def take() -> Response:
        try:
            event = cloudevents.parse(dict(request.headers), request.get_data())
        except CosmoFormerError as error:
            body, status, headers = problem(error)
            return Response(body, status, headers)
        if event.type == cloudevents.CLASSIFIED:
            result = event.json()
            print(f"{result['image']['key']}: {result['prediction']['class']}", flush=True)
        return Response(status=204)

    return app


def send(port: int, result: Path) -> int:
    """Send a result as the event that classify replies with; the status of the answer."""
    headers, body = cloudevents.to_binary(
        cloudevents.new(
            type=cloudevents.CLASSIFIED,
            source="urn:example",
            id=uuid.uuid4().hex,
            data=json.loads(result.read_text(encoding="utf-8")),
        )
    )
    return urllib3.request("POST", f"http://127.0.0.1:{port}/", body=body, headers=headers).status


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--send", type=Path)
    options = parser.parse_args()
    if options.send:
        print(send(options.port, options.send))
    else:
        create_app().run("127.0.0.1", options.port)
