"""How much of a picture is shown to the model: all of it, or what holds the galaxy in the size that the model learned from.

A model that learned from cut-outs whose side is so many radii of the galaxy judges other surveys' images better where they are
cut out alike. Those of Galaxy Zoo 2 have 424 pixels a side, each of 0.02 Petrosian radii (R90 in r): 8.48 radii (Willett et al.
2013).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from cosmoformer.images.sizes import SMALLEST_SIDE, WORKING_SIDE
from cosmoformer.settings import LEAST_ZOOM, MOST_ZOOM

_DIGITS = 4


@dataclass(frozen=True)
class Framing:
    """What is known about the galaxy's size in a picture.

    Attributes:
        zoom: side of the picture over the side that is shown, if that was said; 1 is the picture as it is.
        radius_arcsec: the galaxy's Petrosian radius (R90), seconds of arc; None where it is not known.
        pixel_scale: side of one of the file's pixels, seconds of arc; None likewise.
        radii: side that the model wants to be shown, in radii of the galaxy; 0 for one that does not tell.
        otherwise: the zoom where none was said and the galaxy's size in pixels cannot be told.
    """

    zoom: float | None = None
    radius_arcsec: float | None = None
    pixel_scale: float | None = None
    radii: float = 0.0
    otherwise: float = 1.0

    def with_scale(self, pixel_scale: float | None) -> Framing:
        """The same with a scale that the file tells, where nobody has told another."""
        return self if self.pixel_scale else replace(self, pixel_scale=pixel_scale)

    def zoom_of(self, width: int, height: int) -> float:
        """The zoom for a picture of this size in its file, pixels; ``otherwise`` where the size of the galaxy cannot be told.

        One that lies beyond :data:`LEAST_ZOOM` and :data:`MOST_ZOOM` is a slip of whoever told the radius: ``otherwise`` as well.
        """
        if self.zoom is not None:
            return round(self.zoom, _DIGITS)
        if not (self.radius_arcsec and self.pixel_scale and self.radii):
            return round(self.otherwise, _DIGITS)
        zoom = max(width, height) * self.pixel_scale / (self.radii * self.radius_arcsec)
        return round(zoom if is_zoom(zoom) else self.otherwise, _DIGITS)

    @property
    def identity(self) -> str:
        """Text that is the same for framings that show the same; empty for a picture as it is."""
        if self.zoom is not None or not (self.radius_arcsec and self.radii):
            return f"zoom {self.zoom_of(1, 1):g}" if self.zoom_of(1, 1) != 1 else ""
        otherwise = f" zoom {self.otherwise:g}" if self.otherwise != 1 else ""
        return f"radius {self.radius_arcsec:g} scale {self.pixel_scale or 0:g}{otherwise}"


WHOLE = Framing()


def centre(width: int, height: int, zoom: float) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is shown at a zoom above 1; of a shorter side no more than there is."""
    keep = max(SMALLEST_SIDE, round(max(width, height) / zoom))
    left, top = (max(0, (length - keep) // 2) for length in (width, height))
    return left, top, left + min(keep, width), top + min(keep, height)


def notes_of_square(width: int, height: int, zoom: float) -> tuple[int, list[str]]:
    """What makes a square of a picture that is shown at a zoom: by how much it is reduced first, and the conversions.

    The square around a picture at a zoom below 1 would be so many times larger.
    """
    notes = ["padded_to_square"] if width != height else []
    if zoom >= 1:
        return 1, notes
    factor = max(max(width, height) // round(WORKING_SIDE * zoom), 1)
    return factor, [*notes, "widened", *(["reduced"] if factor > 1 else [])]


def square_side(width: int, height: int, zoom: float) -> int:
    """Side of the square around a picture of this size that is shown at a zoom."""
    return round(max(width, height) / min(zoom, 1))


def is_zoom(zoom: float) -> bool:
    """Whether a zoom is one that pictures are shown at."""
    return math.isfinite(zoom) and LEAST_ZOOM <= zoom <= MOST_ZOOM
