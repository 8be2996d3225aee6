"""An artifact of a few kilobytes, for tests that need one that loads but not one that knows galaxies."""

from __future__ import annotations

import io
import json
from typing import Any

import torch

from cosmoformer.artifact import FORMAT, METADATA, SELF_CHECK


class _Colour(torch.nn.Module):
    """Class probabilities by the mean of each colour channel."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.softmax(images.float().mean(dim=[2, 3]) / 25.5, dim=1)


def tiny_artifact(*, run: str = "tiny", wrong: bool = False) -> bytes:
    """An artifact with the classes red, green and blue; a ``wrong`` one fails its self-check."""
    images = torch.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4).to(torch.uint8)
    expected = _Colour()(images).flip(1) if wrong else _Colour()(images)
    metadata: dict[str, Any] = {
        "format": FORMAT,
        "task": "colour",
        "classes": ["red", "green", "blue"],
        "input_size": 4,
        "crop": 1.0,
        "temperature": 1.0,
        "run": run,
        "data_version": "none",
    }
    self_check = {
        "shape": list(images.shape),
        "pixels": images.numpy().tobytes().hex(),
        "probabilities": expected.tolist(),
    }
    file = io.BytesIO()
    extra = {METADATA: json.dumps(metadata), SELF_CHECK: json.dumps(self_check)}
    torch.jit.save(torch.jit.script(_Colour()), file, _extra_files=extra)
    return file.getvalue()
