"""Artifacts of a few kilobytes, for tests that need one that loads but not one that knows galaxies."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from typing import Any

import torch

from cosmoformer.models.artifact import METADATA, SELF_CHECK
from cosmoformer.models.outputs import DOMAIN
from cosmoformer.votes.tree import GZ2


class _Colour(torch.nn.Module):
    """Class probabilities by the mean of each colour channel."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.softmax(images.float().mean(dim=[2, 3]) / 25.5, dim=1)


class _Hue(torch.nn.Module):
    """The angle of a colour around green and blue, in degrees, and how red it is for its blue: not finite without any."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        red, green, blue = images.float().mean(dim=[2, 3]).unbind(1)
        return torch.stack([torch.rad2deg(torch.atan2(green, blue)), red / blue], dim=1)


class _Joint(torch.nn.Module):
    """Groups of outputs, side by side: classes as :class:`_Colour` has them, answers of a question alike, an angle, a score."""

    def __init__(self, sizes: list[int], classes: bool, angle: bool, score: bool) -> None:
        super().__init__()
        self.classes, self.angle, self.score = classes, angle, score
        self.register_buffer("shares", torch.tensor([1 / size for size in sizes for _ in range(size)]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        colours = images.float().mean(dim=[2, 3])
        parts = [self.shares.expand(images.shape[0], -1)]
        if self.classes:
            parts.insert(0, torch.softmax(colours / 25.5, dim=1))
        if self.angle:
            parts.append(torch.rad2deg(torch.atan2(colours[:, 1:2], colours[:, 2:3])))
        if self.score:
            parts.append(colours[:, :1] / 255)
        return torch.cat(parts, dim=1)


#: Metadata of the value that :func:`joint_artifact` gives.
ANGLE = {"name": "angle", "unit": "deg", "low": 0.0, "high": 90.0}


def joint_artifact(
    *,
    classes: tuple[str, ...] = ("red", "green", "blue"),
    questions: int = 11,
    value: dict[str, Any] | None = ANGLE,
    score: bool = False,
    wrong: bool = False,
    **about: Any,
) -> bytes:
    """An artifact of format 2 with the groups that are asked for.

    Args:
        classes: three names, or none for no group of classes.
        questions: how many questions of Galaxy Zoo 2 it answers, from the first on; 0 leaves the group out.
        value: metadata of its angle; None leaves it out.
        score: whether it tells how much an image is like those that it knows: how red it is.
        wrong: whether it fails its self-check.
        about: other members of its metadata.
    """
    asked = GZ2.questions[:questions]
    labels = [label for question in asked for label in question.labels]
    metadata = {
        "format": 2,
        "task": "colour",
        "classes": list(classes),
        "fractions": {"tree": "gz2", "labels": labels} if asked else None,
        "values": ([value] if value else []) + ([asdict(DOMAIN)] if score else []),
        "run": "joint",
    }
    module = _Joint([len(question.answers) for question in asked], bool(classes), bool(value), score)
    return _packed(module, metadata | about, wrong=wrong)


def tiny_artifact(*, run: str = "tiny", wrong: bool = False, **about: Any) -> bytes:
    """An artifact with the classes red, green and blue; a ``wrong`` one fails its self-check."""
    known = {"task": "colour", "classes": ["red", "green", "blue"], "run": run}
    return _packed(_Colour(), known | about, wrong=wrong)


def hue_artifact(kind: str = "values", *, wrong: bool = False) -> bytes:
    """An artifact that gives two numbers, one of them an angle; its metadata say that they are of this ``kind``."""
    return _packed(_Hue(), {"task": "hue", "classes": ["angle", "excess"], "run": "hue", "kind": kind}, wrong=wrong)


class _Bands(torch.nn.Module):
    """The mean of each band, compressed by an inverse hyperbolic sine."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.asinh(images.mean(dim=[2, 3]) / 100.0)


def bands_artifact(bands: tuple[str, ...] = ("g", "r", "i")) -> bytes:
    """An artifact that takes raw bands and gives a value of each."""
    values = [{"name": f"light_{band}"} for band in bands]
    about = {"format": 2, "task": "light", "classes": [], "values": values, "bands": list(bands), "run": "light"}
    return _packed(_Bands(), about, wrong=False)


def _packed(module: torch.nn.Module, about: dict[str, Any], *, wrong: bool) -> bytes:
    if bands := about.get("bands"):
        images = torch.arange(2.0 * len(bands) * 16).reshape(2, len(bands), 4, 4) * 1000
    else:
        images = torch.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4).to(torch.uint8)
    expected = module(images).flip(1) if wrong else module(images)
    metadata: dict[str, Any] = {
        "format": 1,
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
