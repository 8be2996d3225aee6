"""The serving of the CosmoFormer thesis (Brno 2025, section 8.4, listings A.1, A.6 and A.10), rebuilt.

One ``async`` endpoint that takes a form with a file, and predicts inside the event loop: torchvision's resize, vit-pytorch's
traced model, as many uvicorn workers as CPUs, torch's default number of threads in each. ``THESIS_THREADS`` sets another number.

    THESIS_MODEL=thesis.pt uvicorn benchmarks.peers.thesis:app --workers 2
"""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import torch
from fastapi import FastAPI, UploadFile
from PIL import Image
from pydantic import BaseModel

import training  # noqa: F401  # mends torchvision beside a torch without CUDA

from torchvision.transforms import v2  # isort: skip

CLASSES = ("round_smooth", "in_between_smooth", "cigar_smooth", "edge_on", "spiral")


class Answer(BaseModel):
    """What a client gets."""

    predicted_class: str


class Predictor:
    """The traced model behind its preprocessing."""

    def __init__(self, path: str) -> None:
        self._model = torch.jit.load(path, map_location="cpu").eval()
        self._transform: Any = v2.Compose([v2.Resize((224, 224)), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])

    def predict(self, image: Image.Image) -> str:
        """Name of the likeliest class."""
        batch = self._transform(image).unsqueeze(0)
        with torch.no_grad():
            scores = self._model(batch)[:, : len(CLASSES)]
        return CLASSES[int(scores.argmax(dim=1))]


_loaded: list[Predictor] = []


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    if threads := int(os.environ.get("THESIS_THREADS", "0")):
        torch.set_num_threads(threads)
    _loaded.append(Predictor(os.environ["THESIS_MODEL"]))
    yield


app = FastAPI(lifespan=_lifespan)


@app.get("/readycheck")
async def readycheck() -> dict[str, str]:
    """Whether the model is loaded."""
    return {"status": "ready"}


@app.post("/inference")
async def inference(file: UploadFile) -> Answer:
    """Classify an uploaded image."""
    image = Image.open(io.BytesIO(await file.read())).convert("RGB")
    return Answer(predicted_class=_loaded[0].predict(image))
