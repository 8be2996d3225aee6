"""The pictures that benchmarks send: rendered galaxies in the size of Galaxy Zoo 2's originals."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from functools import cache
from importlib import resources

from PIL import Image

SIDE = 424  # pixels
_QUALITY = 90
_JPEG_START = b"\xff\xd8"
_COMMENT = b"\xff\xfe"


@cache
def galaxies() -> tuple[bytes, ...]:
    """JPEG files of ``SIDE`` pixels a side, from the samples that ``cosmoformer.render`` made."""
    folder = resources.files("cosmoformer") / "bundled" / "samples"
    found = []
    for sample in sorted(folder.iterdir(), key=lambda entry: entry.name):
        with Image.open(io.BytesIO(sample.read_bytes())) as image:
            stream = io.BytesIO()
            image.convert("RGB").resize((SIDE, SIDE)).save(stream, "JPEG", quality=_QUALITY)
            found.append(stream.getvalue())
    return tuple(found)


def marked(jpeg: bytes, number: int) -> bytes:
    """The same picture as a different file, told apart by a JPEG comment: nobody can have seen its bytes before."""
    note = f"{number:020d}".encode()
    segment = _COMMENT + (len(note) + 2).to_bytes(2, "big") + note
    return _JPEG_START + segment + jpeg.removeprefix(_JPEG_START)


def endless(start: int = 0) -> Iterator[bytes]:
    """Pictures, no two alike. Take them under a lock where several threads do."""
    found = galaxies()
    for number in itertools.count(start):
        yield marked(found[number % len(found)], number)
