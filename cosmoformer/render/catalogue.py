"""A catalogue of galaxies of known inclination: one parquet file with the pictures and all that is known of them.

Each galaxy is drawn from the seed and its own number, so that the file is the same, byte for byte, however many processes draw
it, and a longer catalogue begins with a shorter one.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cosmoformer.render.population import draw

SIDE = 88
QUALITY = 90  # of WebP
#: Of twenty galaxies in a row, one after the other.
_SPLITS = ("train",) * 16 + ("val",) * 2 + ("test",) * 2
_GROUP = 250  # galaxies of a row group, and of a task for a process


@dataclass(frozen=True)
class Fact:
    """A column of numbers."""

    name: str
    unit: str
    description: str


COLUMNS = (
    Fact("inclination", "deg", "Angle between the disc's axis and the line of sight: 0 face-on, 90 edge-on."),
    Fact("position_angle", "deg", "Of the line of nodes, from up through left; north is up."),
    Fact("axis_ratio", "", "Apparent axis ratio q of the disc: q² = cos²i (1 - q0²) + q0²."),
    Fact("thickness", "", "q0: axis ratio of the disc seen edge-on, by second moments."),
    Fact("scale_length", "pixel", "E-folding radius of the disc."),
    Fact("seeing", "pixel", "Full width at half maximum of the point-spread function."),
    Fact("bulge_share", "", "Share of the bulge in the galaxy's light."),
    Fact("bar_share", "", "Share of the bar in the disc's light; 0 for none."),
    Fact("arm_share", "", "Share of the disc's light that lies in arms where they are fully developed; 0 for none."),
    Fact("optical_depth", "", "Of the dust, face-on at the centre, r band; 0 for none."),
    Fact("signal_to_noise", "", "A pixel, in r, where half of the galaxy's light is brighter."),
    Fact("neighbours", "", "Light of stars and other galaxies in the frame over the galaxy's, r band."),
)


def write_catalogue(
    path: Path,
    count: int,
    *,
    seed: int = 0,
    size: int = SIDE,
    workers: int = 1,
    done: Callable[[int], object] = lambda number: None,
) -> None:
    """Draw galaxies and write them, in the order of their numbers; the file appears when it is whole.

    Args:
        path: of the parquet file; its folder is made if it is missing.
        count: how many galaxies.
        seed: decides what they look like.
        size: side of the pictures, pixels.
        workers: processes that draw.
        done: told how many are written, now and then.

    Raises:
        ImportError: pyarrow is not installed.
    """
    from pyarrow import Table
    from pyarrow.parquet import ParquetWriter

    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".part")
    layout, written = _schema(), 0
    with ParquetWriter(scratch, layout, compression="none") as writer:  # pictures are compressed already
        for rows in _drawn(count, seed, size, workers):
            writer.write_table(Table.from_pylist(rows, schema=layout))
            written += len(rows)
            done(written)
    scratch.replace(path)


def _drawn(count: int, seed: int, size: int, workers: int) -> Iterator[list[dict[str, Any]]]:
    jobs = [(seed, size, start, min(start + _GROUP, count)) for start in range(0, count, _GROUP)]
    if workers == 1:
        yield from map(_rows, jobs)
        return
    # Fresh processes: a fork would carry over whatever threads the caller has.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_rows, jobs)


def _rows(job: tuple[int, int, int, int]) -> list[dict[str, Any]]:
    seed, size, start, end = job
    return [_row(seed, size, number) for number in range(start, end)]


def _row(seed: int, size: int, number: int) -> dict[str, Any]:
    seen = draw(size, np.random.default_rng([seed, number]))
    file = io.BytesIO()
    Image.fromarray(seen.pixels).save(file, "WEBP", quality=QUALITY)
    facts = {fact.name: float(seen.facts[fact.name]) for fact in COLUMNS}
    return {
        "uid": f"rendered:{seed}:{number}",
        "split": _SPLITS[number % len(_SPLITS)],
        **facts,
        "image": file.getvalue(),
    }


def _schema() -> Any:
    import pyarrow

    def number(fact: Fact) -> Any:
        about = {"description": fact.description} | ({"unit": fact.unit} if fact.unit else {})
        return pyarrow.field(fact.name, pyarrow.float32(), metadata=about)

    texts = [pyarrow.field(name, pyarrow.string()) for name in ("uid", "split")]
    return pyarrow.schema([*texts, *map(number, COLUMNS), pyarrow.field("image", pyarrow.binary())])
