"""Image files for the page to upload."""

from __future__ import annotations

from pathlib import Path

import cosmoformer

SAMPLES = sorted((Path(cosmoformer.__file__).parent / "bundled" / "samples").glob("*.jpg"))


def copies(folder: Path, *names: str) -> list[Path]:
    """The first sample under these names; no two are the same file, since each has its name behind the picture's end."""
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(SAMPLES[0].read_bytes() + bytes(path))
    return paths
