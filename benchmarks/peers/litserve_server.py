"""The thesis's model behind LitServe, one worker a CPU and one thread each.

python -m benchmarks.peers.litserve_server --model thesis.pt --port 8000 --workers 2
"""

from __future__ import annotations

import argparse
import base64
import io
from typing import Any

import litserve
import torch
from PIL import Image

from benchmarks.peers.thesis import Predictor


class GalaxyAPI(litserve.LitAPI):  # type: ignore[misc]  # LitServe ships without types
    """Base64 JPEG in JSON, as its guides send images."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self._path = model

    def setup(self, device: str) -> None:
        """Load the model, in each worker."""
        torch.set_num_threads(1)
        self._predictor = Predictor(self._path)

    def decode_request(self, request: dict[str, str]) -> Image.Image:
        """The picture."""
        return Image.open(io.BytesIO(base64.b64decode(request["image"]))).convert("RGB")

    def predict(self, image: Image.Image) -> str:
        """Its class."""
        return self._predictor.predict(image)

    def encode_response(self, output: str) -> dict[str, Any]:
        """The answer."""
        return {"predicted_class": output}


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    options = parser.parse_args()
    server = litserve.LitServer(GalaxyAPI(options.model), accelerator="cpu", workers_per_device=options.workers)
    server.run(host="127.0.0.1", port=options.port, generate_client_file=False, log_level="warning")


if __name__ == "__main__":
    main()
