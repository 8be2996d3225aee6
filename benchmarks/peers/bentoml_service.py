"""The thesis's model behind BentoML, one worker a CPU and one thread each.

THESIS_MODEL=thesis.pt BENTO_WORKERS=2 bentoml serve benchmarks.peers.bentoml_service:Galaxies
"""

from __future__ import annotations

import base64
import io
import os

import bentoml
import torch
from PIL import Image

from benchmarks.peers.thesis import Predictor


@bentoml.service(workers=int(os.environ.get("BENTO_WORKERS", "1")))
class Galaxies:
    """Base64 JPEG in JSON."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self._predictor = Predictor(os.environ["THESIS_MODEL"])

    @bentoml.api  # type: ignore[untyped-decorator]
    def predict(self, image: str) -> dict[str, str]:
        """The class of a picture."""
        picture = Image.open(io.BytesIO(base64.b64decode(image))).convert("RGB")
        return {"predicted_class": self._predictor.predict(picture)}
