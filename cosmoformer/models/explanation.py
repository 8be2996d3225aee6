"""What a model looked at: occlusion sensitivity (Zeiler & Fergus 2014, section 4.2).

A soft disc of sky is laid on one place of the picture after the other; where that lowers an output, the output relied on what is
hidden there. This asks nothing of a model but predictions, so the very version that answered explains itself, whatever it is.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cosmoformer.errors import InvalidRequest, NotExplained
from cosmoformer.models.artifact import Artifact
from cosmoformer.models.prediction import preprocess
from cosmoformer.models.wanted import DEFAULT, is_default

if TYPE_CHECKING:
    import torch

METHOD = "occlusion"
#: Places along a side, the finest first; a slow model is asked at fewer.
GRIDS = (14, 10, 7, 5)
_USUAL_S, _LONGEST_S = 2.0, 8.0
_RADIUS = 1 / 8  # of a disc, as a share of the side that the model looks at
_BATCH = 14
_LEAST = 1e-6  # of a probability, and of an effect that is told from none
_NAMES_TOLD = 12


@dataclass(frozen=True)
class Explanation:
    """How much one output of a model relies on each place of a picture.

    Attributes:
        output: name of the output.
        weights: float32 (G, G), from -1 to 1, of the part of the picture that the model looks at, rows from top to bottom:
            positive where hiding the place lowers the output, negative where it raises it, relative to the strongest place.
        effect: of the strongest place: what hiding it changes, in units of the value, or for probabilities and fractions in
            log-odds; 0 where no place matters.
    """

    output: str
    weights: NDArray[np.float32]
    effect: float


def explain(artifact: Artifact, pixels: NDArray[np.uint8], wanted: str = DEFAULT) -> Explanation:
    """Explain one output for a picture.

    Args:
        artifact: the model.
        pixels: uint8 (S, S, 3), as decoding gives them.
        wanted: name of the output; ``1`` for the most probable class, or, without classes, the first output.

    Raises:
        InvalidRequest: the model has no such output.
        NotExplained: it takes too long for one prediction, gives what is no number where a place is hidden, or takes raw bands.
    """
    if artifact.metadata.bands:
        raise NotExplained("a model of raw bands is not explained", "Explain a model of pictures")
    picture = _reduced(artifact, pixels)
    outputs = artifact.predict(picture[None])[0]
    column = _column(artifact, outputs.tolist(), wanted)
    grid = _grid(_seconds(artifact, picture))
    bounded = column < len(artifact.metadata.names) - len(artifact.metadata.values)
    scores = _scores(artifact, picture, grid, column, bounded=bounded)
    effects = (_log_odds(outputs[column]) if bounded else outputs[column].double()) - scores
    if not effects.isfinite().all():
        raise NotExplained(
            f"{artifact.metadata.names[column]!r} is no finite number where some place is hidden",
            "Explain another output",
        )
    strongest = float(effects.abs().max())
    weights = effects / strongest if strongest > _LEAST else effects * 0
    found = weights.view(grid, grid).float().numpy()
    return Explanation(artifact.metadata.names[column], found, strongest if strongest > _LEAST else 0.0)


def _column(artifact: Artifact, outputs: Sequence[float], wanted: str) -> int:
    names, classes = artifact.metadata.names, artifact.metadata.classes
    if wanted in names:
        return names.index(wanted)
    if is_default(wanted):
        return max(range(len(classes)), key=lambda index: outputs[index]) if classes else 0
    told = ", ".join(names[:_NAMES_TOLD]) + (
        f" and {len(names) - _NAMES_TOLD} more" if len(names) > _NAMES_TOLD else ""
    )
    raise InvalidRequest(
        f"the model has no output {wanted[:80]!r} that could be explained", f"Ask for 1, or for one of {told}"
    )


def _seconds(artifact: Artifact, picture: torch.Tensor) -> float:
    """What one of many predictions takes."""
    begun = time.perf_counter()
    artifact.predict(picture.expand(_BATCH, -1, -1, -1))
    return (time.perf_counter() - begun) / _BATCH


def _grid(seconds: float) -> int:
    """The finest grid that a model of this time a prediction is through with in the usual time."""
    for grid in GRIDS:
        if grid**2 * seconds <= _USUAL_S:
            return grid
    if GRIDS[-1] ** 2 * seconds <= _LONGEST_S:
        return GRIDS[-1]
    raise NotExplained(
        f"one prediction of this model takes {seconds:.2f} s, and an explanation at least {GRIDS[-1] ** 2} of them: more than"
        f" {_LONGEST_S:.0f} s",
        "Ask where there are faster CPUs, or serve a smaller model",
    )


def _reduced(artifact: Artifact, pixels: NDArray[np.uint8]) -> torch.Tensor:
    """The picture, uint8 (3, S, S), no larger than the model needs, so that its copies stay small."""
    import torch.nn.functional as F

    batch = preprocess(pixels)
    side = round(artifact.metadata.input_size / artifact.metadata.crop)
    if batch.shape[-1] > side:
        batch = F.interpolate(batch, size=[side, side], mode="bicubic", antialias=True, align_corners=False)
    return batch[0]


def _scores(artifact: Artifact, picture: torch.Tensor, grid: int, column: int, *, bounded: bool) -> torch.Tensor:
    """The output, float64 (G²,), with each place hidden, row by row."""
    import torch

    side = picture.shape[-1]
    keep = max(1, round(side * artifact.metadata.crop))
    start = (side - keep) / 2
    centres = start + (torch.arange(grid) + 0.5) * keep / grid
    places, axis = torch.cartesian_prod(centres, centres), torch.arange(side) + 0.5
    sky = _sky(picture).view(1, 3, 1, 1)
    found = []
    for part in places.split(_BATCH):
        squares = (axis.view(1, -1, 1) - part[:, 0].view(-1, 1, 1)) ** 2 + (
            axis.view(1, 1, -1) - part[:, 1].view(-1, 1, 1)
        ) ** 2
        # One in the disc, falling off over a fifth of its radius: a hard edge would be something to see.
        reach = _RADIUS * keep
        hidden = ((1.1 * reach - squares.sqrt()) / (0.2 * reach)).clamp(0, 1)[:, None]
        covered = picture * (1 - hidden) + sky * hidden
        outputs = artifact.predict(covered.round().to(torch.uint8))[:, column]
        found.append(_log_odds(outputs) if bounded else outputs.double())
    return torch.cat(found)


def _sky(picture: torch.Tensor) -> torch.Tensor:
    """The median colour, float32 (3,), of the picture's edges."""
    import torch

    edges = [picture[:, 0], picture[:, -1], picture[:, :, 0], picture[:, :, -1]]
    return torch.cat(edges, dim=1).float().median(dim=1).values


def _log_odds(shares: torch.Tensor) -> torch.Tensor:
    sure = shares.double().clamp(_LEAST, 1 - _LEAST)
    return (sure / (1 - sure)).log()
