"""Download Galaxy Zoo 2 (3.4 GB) with galaxy-datasets, and write the thesis's partitions of it.

    python -m training.download_gz2 --root gz2

Then ``--data gz2`` is accepted wherever data are.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from training.data.sources import gz2


def main(argv: list[str] | None = None) -> None:
    """Entry point of ``python -m training.download_gz2``."""
    parser = argparse.ArgumentParser(prog="python -m training.download_gz2", description="Download Galaxy Zoo 2.")
    parser.add_argument("--root", type=Path, required=True, help="folder for catalogues, images and partitions")
    root = parser.parse_args(argv).root
    logging.basicConfig(level=logging.INFO, format="%(message)s")  # galaxy-datasets tells there how its download goes
    root.mkdir(parents=True, exist_ok=True)
    try:
        parts = gz2.partition(gz2.load(root, train=True, download=True), gz2.load(root, train=False))
    except (FileNotFoundError, ModuleNotFoundError) as error:
        parser.exit(1, f"{error}\n")
    gz2.write(parts, root)
    print(", ".join(f"{root / gz2.PARTITIONS[split]}: {len(part):,} galaxies" for split, part in parts.items()))


if __name__ == "__main__":
    main()
