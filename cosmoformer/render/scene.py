"""From a galaxy to its picture: paint its light, add neighbours, observe it with a survey."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cosmoformer.render.canvas import Canvas
from cosmoformer.render.field import add_neighbours
from cosmoformer.render.galaxy import Galaxy
from cosmoformer.render.painting import paint
from cosmoformer.render.survey import SDSS, Stretch, Survey, blur, noise


def render(galaxy: Galaxy, *, size: int = 424, seed: int = 0, survey: Survey = SDSS) -> NDArray[np.uint8]:
    """Picture of a galaxy as an imaging survey's colour cut-out shows it.

    Args:
        galaxy: what to render.
        size: side of the image, pixels; the field of view stays the same.
        seed: decides the irregularities of the arms, the neighbours and the noise, each apart from the others.
        survey: whose seeing, sky and exposure.

    Returns:
        Red, green, blue of shape (size, size, 3); north is up, east is left. Equal arguments give equal pixels.

    Raises:
        ValueError: the size is not positive, or a Sérsic index is below 0.5.
    """
    if size < 1:
        raise ValueError(f"expected an image of at least 1 pixel a side, got {size}")
    structure, neighbours, photons = np.random.default_rng(seed).spawn(3)
    canvas = Canvas(size, galaxy.field_of_view)
    paint(galaxy, canvas, structure)
    add_neighbours(canvas, field_of_view=galaxy.field_of_view, survey=survey, rng=neighbours)
    fwhm = survey.seeing * size / galaxy.field_of_view
    image = blur(canvas.pixels(), fwhm=fwhm, beta=survey.moffat_beta)
    image += noise(image, field_of_view=galaxy.field_of_view, survey=survey, rng=photons)
    return Stretch()(image)
