"""Draw the galaxies of the page's legend, one a class, from the sample galaxies of `cosmoformer.render`.

python tools/draw_shapes.py web/shapes
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from cosmoformer.render import SAMPLES, render

SIDE = 192  # pixels
QUALITY = 72
# By class: the sample that shows it, and the share of its side that is kept around the galaxy.
DRAWINGS = {
    "round_smooth": ("round_smooth", 0.5),
    "in_between_smooth": ("in_between_smooth", 0.5),
    "cigar_smooth": ("cigar_smooth", 0.56),
    "edge_on": ("edge_on_with_bulge", 0.62),
    "spiral": ("two_armed_spiral", 0.56),
}


def draw(sample: str, share: float) -> Image.Image:
    """The middle of a sample, as it is seen in the legend."""
    whole = Image.fromarray(render(SAMPLES[sample], seed=list(SAMPLES).index(sample)))
    border = whole.width * (1 - share) / 2
    inside = (border, border, whole.width - border, whole.width - border)
    return whole.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=inside)


def main(folder: Path) -> None:
    """Write all drawings into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (sample, share) in DRAWINGS.items():
        draw(sample, share).save(folder / f"{name}.webp", quality=QUALITY, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
