"""An artifact of a few kilobytes, for tests that need one that loads but not one that knows galaxies."""

from __future__ import annotations

import io
import json
from typing import Any

import torch

from cosmoformer.models.artifact import FORMAT, METADATA, SELF_CHECK


class _Colour(torch.nn.Module):
    """Class probabilities by the mean of each colour channel."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.softmax(images.float().mean(dim=[2, 3]) / 25.5, dim=1)


class _Hue(torch.nn.Module):
    """The angle of a colour around green and blue, in degrees, and how red it is for its blue: not finite without any."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        red, green, blue = images.float().mean(dim=[2, 3]).unbind(1)
        return torch.stack([torch.rad2deg(torch.atan2(green, blue)), red / blue], dim=1)


def tiny_artifact(*, run: str = "tiny", wrong: bool = False) -> bytes:
    """An artifact with the classes red, green and blue; a ``wrong`` one fails its self-check."""
    return _packed(_Colour(), {"task": "colour", "classes": ["red", "green", "blue"], "run": run}, wrong=wrong)


def hue_artifact(kind: str = "values", *, wrong: bool = False) -> bytes:
    """An artifact that gives two numbers, one of them an angle; its metadata say that they are of this ``kind``."""
    return _packed(_Hue(), {"task": "hue", "classes": ["angle", "excess"], "run": "hue", "kind": kind}, wrong=wrong)


def _packed(module: torch.nn.Module, about: dict[str, Any], *, wrong: bool) -> bytes:
    images = torch.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4).to(torch.uint8)
    expected = module(images).flip(1) if wrong else module(images)
    metadata: dict[str, Any] = {
        "format": FORMAT,
        "input_size": 4,
        "crop": 1.0,
        "temperature": 1.0,
        "data_version": "none",
        **about,
    }
    self_check = {
        "shape": list(images.shape),
        "pixels": images.numpy().tobytes().hex(),
        "probabilities": expected.tolist(),
    }
    file = io.BytesIO()
    extra = {METADATA: json.dumps(metadata), SELF_CHECK: json.dumps(self_check)}
    torch.jit.save(torch.jit.script(module), file, _extra_files=extra)
    return file.getvalue()
