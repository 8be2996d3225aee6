"""Classify a folder of images in this process: no server, no bucket, the model that ships with CosmoFormer.

python examples/classify_folder.py cosmoformer/bundled/samples
"""

from __future__ import annotations

import sys
from pathlib import Path

from cosmoformer import Classifier, Prediction


def main(folder: Path) -> None:
    """Print the class and its probability for every file of a folder, or why there is none."""
    classifier = Classifier()
    files = sorted(path for path in folder.iterdir() if path.is_file())
    for path, found in classifier.classify_files(files):
        if isinstance(found, Prediction):
            mark = " (no galaxy?)" if found.no_galaxy else " (unsure)" if found.unsure else ""
            print(f"{path.name:<32} {found.label} {found.confidence:.3f}{mark}")
        else:
            print(f"{path.name:<32} {found.code}: {found.detail}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
