"""From a decoded picture to named numbers: what serving and the Python interface do with an artifact, in the same way."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cosmoformer.errors import ModelRefused
from cosmoformer.models.artifact import Artifact

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


_LARGEST_HALF = 65504.0


def preprocess(pixels: NDArray[np.generic]) -> torch.Tensor:
    """A batch (1, C, S, S) of what a model is shown of a picture, (S, S, C) of the same dtype. All else is in the artifact."""
    import torch

    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


def predict(artifact: Artifact, batch: torch.Tensor) -> dict[str, float]:
    """The artifact's outputs by name, of the first image of a uint8 batch (N, 3, S, S).

    Raises:
        ModelRefused: an output is no finite number, which no JSON can hold and nobody can use.
    """
    return described(artifact, batch)[0]


def described(artifact: Artifact, batch: torch.Tensor) -> tuple[dict[str, float], bytes]:
    """The same, and the first image's feature vector: float16, the least significant byte first; empty where there is none.

    Raises:
        ModelRefused: as above.
    """
    found, features = artifact.describe(batch)
    outputs = found[0].double().tolist()
    named = dict(zip(artifact.metadata.names, outputs, strict=True))
    for name, output in named.items():
        if not math.isfinite(output):
            raise ModelRefused(
                f"the model of run {artifact.metadata.run!r} gives {output} for {name!r}; expected a finite number",
                "Promote another version, then replay the event",
            )
    return named, b"" if features is None else _half(features[0])


def _half(vector: torch.Tensor) -> bytes:
    finite = vector.nan_to_num().clamp(-_LARGEST_HALF, _LARGEST_HALF)
    return finite.half().numpy().astype("<f2").tobytes()
