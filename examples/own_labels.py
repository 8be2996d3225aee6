"""Train a model on labels of one's own: a folder for each class, from the bundled model's weights, on any CPU.

    python examples/own_labels.py my-galaxies runs/mine

What comes out is an artifact: ``Classifier("runs/mine/artifacts/model.pt")`` uses it here, ``cosmoformer import-run runs/mine
--register`` brings it into a registry.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cosmoformer import Classifier
from cosmoformer.models.bundled import bundle
from training.train import main as train


def main(data: Path, out: Path, *options: str) -> Classifier:
    """Train, and load what was trained.

    Args:
        data: folder with a folder of images for each class.
        out: folder of the run.
        options: further ones of ``python -m training.train``, such as ``--set epochs=3``.
    """
    start = out.parent / "bundled.pt"
    start.parent.mkdir(parents=True, exist_ok=True)
    start.write_bytes(bundle().artifact)
    status = train(["--data", str(data), "--recipe", "own", "--init", str(start), "--out", str(out), *options])
    if status:
        raise SystemExit(status)
    classifier = Classifier(out / "artifacts" / "model.pt")
    print(f"trained on {', '.join(classifier.metadata.classes)}")
    return classifier


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
