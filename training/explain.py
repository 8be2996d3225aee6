"""Draw what a model looks at in some images, in two ways that do not know of each other.

    python -m training.explain --artifact cosmoformer/bundled/model.pt --out explained m51.jpg ngc1300.fits

Each image gets one drawing: the part that the model looks at, what the served model's answer relies on (occlusion), and the
network's ablation map (Ablation-CAM). ``--of`` names another output than the most probable class.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from cosmoformer import settings
from cosmoformer.errors import CosmoFormerError
from cosmoformer.images.decoding import decode
from cosmoformer.images.heat_map import heat_map
from cosmoformer.images.picture import Limits, Picture
from cosmoformer.models import artifact
from cosmoformer.models.explanation import explain
from cosmoformer.models.prediction import preprocess
from training import models
from training.artifact.classifier import Classifier
from training.augmentation.augment import normalise
from training.evaluation.ablation import ablation_map
from training.heads.last_layer import Opened, open_artifact, task_of

_GAP = 8  # pixels between the three


def draw(opened: Opened, network: nn.Module, picture: Picture, wanted: str) -> tuple[Image.Image, str]:
    """The drawing of one image, and the output that is explained.

    Args:
        opened: the artifact.
        network: of the same weights, in parts.
        picture: what it looks at.
        wanted: as in :func:`cosmoformer.models.explanation.explain`.

    Raises:
        InvalidRequest: the model has no such output.
        ValueError: it has no feature map.
    """
    facts = opened.before.metadata
    occluded = explain(opened.before, picture.pixels, wanted)
    column = facts.names.index(occluded.output)
    if column >= len(facts.names) - len(facts.values):  # the last rows, whatever stands before them
        column -= len(facts.names)
    ablated = ablation_map(network, _as_trained(opened, picture), column)
    nothing = np.zeros((1, 1), np.float32)
    parts = [heat_map(picture.pixels, weights, facts.crop) for weights in (nothing, occluded.weights, ablated)]
    panels = [Image.open(io.BytesIO(part)) for part in parts]
    side = panels[0].width
    sheet = Image.new("RGB", (3 * side + 2 * _GAP, side), "white")
    for place, panel in enumerate(panels):
        sheet.paste(panel, (place * (side + _GAP), 0))
    return sheet, occluded.output


def _as_trained(opened: Opened, picture: Picture) -> torch.Tensor:
    """The picture as the network takes it, (1, 3, S, S) normalised."""
    facts = opened.before.metadata
    front = Classifier(nn.Identity(), facts.input_size, facts.crop, 1.0, 1)
    return normalise(front.resized(front.centre(preprocess(picture.pixels))).float() / 255)


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``python -m training.explain``; the exit status."""
    options = _parser().parse_args(argv)
    usual = settings.load({})
    limits = Limits(usual.max_image_bytes, usual.max_image_pixels)
    try:
        task = task_of(artifact.load(options.artifact.read_bytes()))
        opened = open_artifact(options.artifact, task, options.model)
        network = models.find(options.model).in_parts(opened.model)
        options.out.mkdir(parents=True, exist_ok=True)
        for path in options.images:
            sheet, output = draw(opened, network, decode(path.read_bytes(), limits), options.of)
            drawing = options.out / f"{path.name}.png"
            sheet.save(drawing)
            print(f"{drawing}: {output}; as it is, by occlusion, by ablation")
    except (CosmoFormerError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.explain", description="Draw what a model looks at.")
    add = parser.add_argument
    add("images", metavar="IMAGE", nargs="+", type=Path, help="image files, as the functions take them")
    add("--artifact", type=Path, required=True, help="TorchScript file that training wrote")
    add("--model", default="crossformer", help=f"which model it is: {', '.join(models.names())} (default: crossformer)")
    add("--of", default="1", metavar="OUTPUT", help="name of an output (default: the most probable class)")
    add("--out", type=Path, required=True, help="folder for the drawings")
    return parser


if __name__ == "__main__":
    sys.exit(main())
