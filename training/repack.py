"""Write an artifact of an earlier release again, so that it gives what artifacts give now: a feature vector of each image.

    python -m training.repack --artifact model.pt --out model-with-features.pt

The traced graph and its weights stay as they are; whatever the artifact gave before, it gives again to the last bit, which is
checked before anything is written.
"""

from __future__ import annotations

import argparse
import io
import sys
from dataclasses import replace
from pathlib import Path

import torch

from cosmoformer.errors import CosmoFormerError
from cosmoformer.models import artifact
from training.artifact.features import give_features
from training.export import module_of, write
from training.heads.last_layer import task_of

_BATCHES = (1, 2, 16)
_SIDES = (64, 424)


def repacked(content: bytes) -> bytes:
    """The artifact file with feature vectors.

    Args:
        content: the file as it was.

    Raises:
        ModelRefused: it is no artifact.
        ValueError: it gives feature vectors already, its model cannot give any, or its other outputs would change.
    """
    before = artifact.load(content)
    facts = before.metadata
    if facts.features:
        raise ValueError(f"the artifact gives feature vectors of length {facts.features} already")
    own = torch.jit.load(io.BytesIO(content), map_location="cpu").eval()  # not the one that the self-check has run
    length = give_features(own.core)
    if not length:
        raise ValueError("the model's last step is no linear layer: what that is given cannot be told")
    metadata = replace(facts, features=length, format=artifact.FORMAT)
    after = write(module_of(own.core, task_of(before), metadata), metadata)
    _check_same(before, artifact.load(after))
    return after


def _check_same(before: artifact.Artifact, after: artifact.Artifact) -> None:
    generator = torch.Generator().manual_seed(0)
    for count in _BATCHES:
        for side in _SIDES:
            images = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)
            if not torch.equal(before.predict(images), after.predict(images)):
                raise ValueError("what the artifact gives would change: it is of another release; export it again")


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``python -m training.repack``; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m training.repack",
        description="Have an artifact give feature vectors, and leave all else that it gives as it is.",
    )
    parser.add_argument("--artifact", type=Path, required=True, help="TorchScript file that training wrote")
    parser.add_argument("--out", type=Path, required=True, help="file for the artifact with feature vectors")
    options = parser.parse_args(argv)
    try:
        content = repacked(options.artifact.read_bytes())
        options.out.write_bytes(content)
    except (CosmoFormerError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    length = artifact.read_metadata(content).features
    print(f"{options.out}: {len(content):,} bytes, features of length {length}, sha256 {artifact.digest(content)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
