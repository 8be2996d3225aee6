"""Galaxies that are red, green or blue, and artifacts of a few kilobytes that judge them by their brightest pixels."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image

from cosmoformer.models import artifact
from cosmoformer.models.artifact import METADATA, SELF_CHECK, Artifact
from training.data.cache import ImageCache
from training.data.splits import open_splits
from training.tasks import TASKS

CLASSES = ("blue", "green", "red")  # alphabetical, as the task `own` has them
CHANNEL = {"red": 0, "green": 1, "blue": 2}
SIDE = 16


class _Brightest(torch.nn.Module):
    """Class probabilities by the brightest pixel of each channel, of the whole image or of its left half."""

    def __init__(self, temperature: float, left_half: bool) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.full((3,), 1 / 25.5))
        self.register_buffer("not_counted", torch.zeros(7))
        self.temperature, self.left_half = temperature, left_half

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.cropped(images)

    @torch.jit.export
    def cropped(self, images: torch.Tensor) -> torch.Tensor:
        side = images.shape[3] // 2 if self.left_half else images.shape[3]
        brightest = images[:, :, :, :side].to(self.scale.dtype).amax(dim=[2, 3])
        logits = (brightest * self.scale).flip(1)  # red, green, blue in the order of CLASSES
        return torch.softmax(logits / self.temperature, dim=1)


def colour_artifact(*, temperature: float = 1.0, left_half: bool = False, task: str = "own") -> bytes:
    """An artifact with three parameters."""
    module = torch.jit.script(_Brightest(temperature, left_half).eval())
    images = torch.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4).to(torch.uint8)
    metadata = artifact.Metadata(task, CLASSES, SIDE, 1.0, temperature, "colours", "0123456789abcdef")
    with torch.inference_mode():
        check = {
            "shape": list(images.shape),
            "pixels": images.numpy().tobytes().hex(),
            "probabilities": module(images).tolist(),
        }
    file = io.BytesIO()
    extra = {METADATA: json.dumps(asdict(metadata)), SELF_CHECK: json.dumps(check)}
    torch.jit.save(module, file, _extra_files=extra)
    return file.getvalue()


def colour_model(*, temperature: float = 1.0, left_half: bool = False) -> Artifact:
    """The same, loaded."""
    return artifact.load(colour_artifact(temperature=temperature, left_half=left_half))


def colour_catalogue(folder: Path, per_class: int = 12, halves: bool = False) -> Path:
    """A folder with one parquet file of test galaxies, each of one colour, whose every fourth label is wrong.

    Args:
        folder: is made.
        per_class: galaxies of each colour.
        halves: whether the right half of each galaxy has the next colour, so that it is another one when it is turned.
    """
    generator = np.random.default_rng(0)
    rows = []
    for number, name in enumerate(sorted(CLASSES) * per_class):
        following = CLASSES[(CLASSES.index(name) + 1) % 3]
        pixels = _galaxy(generator, name)
        if halves:
            pixels[:, SIDE // 2 :] = _galaxy(generator, following)[:, SIDE // 2 :]
        wrong = not halves and number % 4 == 3
        # Numbers without leading zeros: the order of sorted uids is not that of the rows.
        rows.append(
            {"uid": f"g{number}", "split": "test", "image": _encoded(pixels), "label": following if wrong else name}
        )
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_parquet(folder / "colours.parquet")
    return folder


def _galaxy(generator: np.random.Generator, name: str) -> NDArray[np.uint8]:
    pixels = np.full((SIDE, SIDE, 3), 100, np.uint8)
    pixels[..., CHANNEL[name]] += generator.integers(3, 12, dtype=np.uint8)
    pixels[SIDE // 2, SIDE // 2] = 0  # what has one value everywhere is taken for no picture
    return pixels


def _encoded(pixels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def colour_cache(folder: Path, **options: object) -> ImageCache:
    """The catalogue's images, decoded."""
    data = colour_catalogue(folder / "data", **options)  # type: ignore[arg-type]
    return open_splits(TASKS["own"], data, folder / "cache", SIDE, ("test",), CLASSES)["test"]
