"""Synthetic galaxies: colour cut-outs as an imaging survey would take them, from physical parameters.

Render one galaxy with `render`, or the samples from the command line:

    python -m cosmoformer.render FOLDER
    python -m cosmoformer.render --foreign 20 FOLDER

The second draws pictures that are no galaxy (`foreign`). A `catalogue` of disc galaxies of known inclination is a parquet file:

    python -m cosmoformer.render catalogue --count 20000 --out FOLDER/inclination.parquet

The way of a galaxy: `galaxy` says what it is, `painting` puts its light (`profiles`, `spiral`) on a `canvas`, `field`
adds what lies in the same direction, `survey` observes it. In a catalogue, `population` draws it, and `solid` makes it of
`points` in three dimensions. Needs numpy and Pillow only, a catalogue pyarrow too.
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
