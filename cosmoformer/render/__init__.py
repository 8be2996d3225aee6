"""Synthetic galaxies: colour cut-outs as an imaging survey would take them, from physical parameters.

Render one galaxy with `render`, or the samples from the command line:

    python -m cosmoformer.render FOLDER
    python -m cosmoformer.render --foreign 20 FOLDER

The second draws pictures that are no galaxy (`foreign`).

The way of a galaxy: `galaxy` says what it is, `painting` puts its light (`profiles`, `spiral`) on a `canvas`, `field`
adds what lies in the same direction, `survey` observes it. Needs numpy and Pillow only.
"""

from cosmoformer.render.galaxy import Arms, Bar, Colour, Disc, DustLane, EdgeOnDisc, Galaxy, Spheroid
from cosmoformer.render.samples import SAMPLES, write_samples
from cosmoformer.render.scene import render
from cosmoformer.render.survey import SDSS, Survey

__all__ = [
    "SAMPLES",
    "SDSS",
    "Arms",
    "Bar",
    "Colour",
    "Disc",
    "DustLane",
    "EdgeOnDisc",
    "Galaxy",
    "Spheroid",
    "Survey",
    "render",
    "write_samples",
]
