"""Sample galaxies, each named for what it shows."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from cosmoformer.render.galaxy import Arms, Bar, Colour, Disc, DustLane, EdgeOnDisc, Galaxy, Spheroid
from cosmoformer.render.scene import render

JPEG_QUALITY = 92

SAMPLES: dict[str, Galaxy] = {
    "round_smooth": Galaxy(
        field_of_view=64.0,
        position_angle=20.0,
        spheroid=Spheroid(magnitude=15.5, effective_radius=5.2, index=3.2, axis_ratio=0.94),
    ),
    "in_between_smooth": Galaxy(
        field_of_view=66.0,
        position_angle=28.0,
        spheroid=Spheroid(magnitude=15.5, effective_radius=6.0, index=2.2, axis_ratio=0.58),
    ),
    "cigar_smooth": Galaxy(
        field_of_view=50.0,
        position_angle=104.0,
        spheroid=Spheroid(magnitude=16.4, effective_radius=4.4, index=1.0, axis_ratio=0.3),
    ),
    "edge_on_with_bulge": Galaxy(
        field_of_view=90.0,
        position_angle=-58.0,
        spheroid=Spheroid(magnitude=17.2, effective_radius=2.0, index=1.8, axis_ratio=0.8),
        disc=EdgeOnDisc(magnitude=15.7, scale_length=6.2, scale_height=1.4, colour=Colour(g_r=0.6, r_i=0.3)),
    ),
    "edge_on_with_dust_lane": Galaxy(
        field_of_view=190.0,
        position_angle=-18.0,
        spheroid=Spheroid(magnitude=15.2, effective_radius=5.5, index=1.5, axis_ratio=0.8),
        disc=EdgeOnDisc(
            magnitude=13.4,
            scale_length=14.0,
            scale_height=3.5,  # a quarter of its length, as thick discs of real galaxies have
            dust=DustLane(optical_depth=12.0, scale_length=30.0, scale_height=1.0, offset=0.4),
        ),
    ),
    "two_armed_spiral": Galaxy(
        field_of_view=85.0,
        position_angle=70.0,
        spheroid=Spheroid(magnitude=18.0, effective_radius=1.1, index=1.5, axis_ratio=0.9),
        disc=Disc(
            magnitude=15.0,
            scale_length=6.0,
            break_radius=13.0,
            inclination=18.0,
            arms=Arms(number=2, pitch=19.0, inner=2.6, outer=15.0, knots=40, knots_magnitude=18.4),
        ),
    ),
    "barred_spiral": Galaxy(
        field_of_view=85.0,
        position_angle=120.0,
        spheroid=Spheroid(magnitude=18.0, effective_radius=1.1, index=1.5, axis_ratio=0.95),
        disc=Disc(
            magnitude=15.0,
            scale_length=6.5,
            break_radius=13.0,
            inclination=25.0,
            bar=Bar(magnitude=17.2, semi_major=6.2, angle=35.0),
            arms=Arms(number=2, pitch=-17.0, inner=5.4, outer=15.0, angle=35.0, knots=25, knots_magnitude=18.8),
        ),
    ),
    "inclined_spiral": Galaxy(
        field_of_view=95.0,
        position_angle=-35.0,
        spheroid=Spheroid(magnitude=17.3, effective_radius=1.4, index=1.8, axis_ratio=0.7),
        disc=Disc(
            magnitude=14.9,
            scale_length=7.8,
            break_radius=17.0,
            inclination=60.0,
            arms=Arms(number=2, pitch=16.0, inner=3.2, outer=20.0, knots=25, knots_magnitude=18.6),
        ),
    ),
}


def write_samples(folder: Path) -> list[Path]:
    """Render every sample into a folder as JPEG.

    Args:
        folder: made if it does not exist.

    Returns:
        The files written, in the order of `SAMPLES`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for seed, (name, galaxy) in enumerate(SAMPLES.items()):
        path = folder / f"{name}.jpg"
        Image.fromarray(render(galaxy, seed=seed)).save(path, quality=JPEG_QUALITY)
        paths.append(path)
    return paths
