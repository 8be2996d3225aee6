"""Cut-outs as a survey gives them, to try the whole way with: FITS files of three bands with a World Coordinate System.

    python examples/cutouts.py cutouts 100

writes 100 rendered galaxies into the folder ``cutouts``, and beside it ``cutouts.csv``, another survey's catalogue of the same
field: with places of its own, a redshift each, and without every tenth galaxy.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from cosmoformer.render.population import draw

SIDE, PIXEL = 200, 0.4  # pixels, arcsec
FIELD = (180.0, 20.0)  # right ascension and declination of the first, degrees
STEP = 0.02  # between galaxies, degrees
SCATTER = 0.2 / 3600  # of the other catalogue's places, degrees


def main(folder: Path, count: int) -> None:
    """Write ``count`` files and the catalogue."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        ra, dec = FIELD[0] + STEP * (number % 10), FIELD[1] + STEP * (number // 10)
        name = f"CF{number:03}"
        write(folder / f"{name}.fits", name, ra, dec, rng)
        if number % 10:
            there = ra + rng.normal(0, SCATTER) / np.cos(np.radians(dec)), dec + rng.normal(0, SCATTER)
            rows.append(
                {"name": f"OTHER-{number}", "ra": there[0], "dec": there[1], "redshift": rng.uniform(0.02, 0.2)}
            )
    with folder.with_suffix(".csv").open("w", newline="") as file:
        table = csv.DictWriter(file, ["name", "ra", "dec", "redshift"])
        table.writeheader()
        table.writerows(rows)
    print(f"{count} files in {folder}, {len(rows)} galaxies in {folder.with_suffix('.csv')}")


def write(path: Path, name: str, ra: float, dec: float, rng: np.random.Generator) -> None:
    """One cut-out, centred on its galaxy: an image extension a band, in linear units."""
    sky = WCS(naxis=2)
    sky.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    sky.wcs.crval = [ra, dec]
    sky.wcs.crpix = [(SIDE + 1) / 2] * 2
    sky.wcs.cdelt = [-PIXEL / 3600, PIXEL / 3600]
    header = sky.to_header()
    header["OBJECT"] = name
    # A picture shows light through an inverse hyperbolic sine: this takes it back.
    light = np.sinh(draw(SIDE, rng).pixels[::-1] / 60.0).astype(np.float32)
    bands = [fits.ImageHDU(light[..., place], header, name=band) for band, place in (("g", 2), ("r", 1), ("i", 0))]
    fits.HDUList([fits.PrimaryHDU(), *bands]).writeto(path, overwrite=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100)
