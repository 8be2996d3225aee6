"""Pictures that are no galaxy, as survey pipelines, broken files and people produce them: what a model must learn to tell apart.

`foreign` draws one of a kind, `KINDS` names them. Every picture is a square of 8-bit RGB, drawn at random from a generator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from cosmoformer.render.galaxy import Array
from cosmoformer.render.survey import moffat

SIDE = 224
JPEG_QUALITY = 92
_LETTERS = "ABCDEFGHIKLMNOPRSTUVWXYZabcdefghiklmnoprstuvwxyz0123456789 +-=.,:"


def foreign(kind: str, rng: Generator) -> NDArray[np.uint8]:
    """One picture that is no galaxy.

    Args:
        kind: one of `KINDS`.
        rng: decides what it looks like.

    Returns:
        uint8 (224, 224, 3).
    """
    picture = KINDS[kind](rng)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _grid() -> tuple[Array, Array]:
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(float)
    return x, y


def _colour(rng: Generator, least: float = 0.0, most: float = 255.0) -> Array:
    """A colour of the sky: its bands differ a little; now and then any colour."""
    if rng.random() < 0.3:
        return np.asarray(rng.uniform(least, most, 3))
    return np.clip(rng.uniform(least, most) * rng.normal(1.0, 0.15, 3), 0, 255)


def _sky(rng: Generator) -> Array:
    """Background of a cut-out: dark, with the noise of a camera, more or less smoothed."""
    noise = rng.normal(0.0, rng.uniform(0.5, 12.0), (SIDE, SIDE, 3))
    image = np.clip(_colour(rng, 0, 30) + noise, 0, 255).astype(np.uint8)
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.5))), dtype=float)


def _star(image: Array, x: float, y: float, peak: float, fwhm: float, colour: Array) -> None:
    """Add a star, saturated where it is too bright; only its surroundings are touched."""
    reach = int(min(SIDE, 6 * fwhm * (1 + np.log10(max(1.0, peak / 20)))))
    left, top = max(0, int(x) - reach), max(0, int(y) - reach)
    ys, xs = np.mgrid[top : min(SIDE, int(y) + reach), left : min(SIDE, int(x) + reach)]
    if ys.size:
        light = peak * moffat(np.hypot(xs - x, ys - y), fwhm=fwhm, beta=3.0)
        image[ys, xs] += light[..., None] * colour / 255


def star_field(rng: Generator) -> Array:
    """Stars of all brightnesses, none of them in the middle on purpose."""
    image, fwhm = _sky(rng), rng.uniform(1.5, 6.0)
    for _ in range(int(rng.integers(2, 120))):
        _star(
            image,
            rng.uniform(0, SIDE),
            rng.uniform(0, SIDE),
            20 * (1 - rng.random()) ** -1.0,
            fwhm,
            _colour(rng, 150, 255),
        )
    return image


def bright_star(rng: Generator) -> Array:
    """A saturated star with diffraction spikes, and perhaps the ghost of a reflection."""
    image, (x, y) = _sky(rng), _grid()
    centre = SIDE / 2 + rng.normal(0, 8, 2)
    colour = _colour(rng, 180, 255)
    _star(image, centre[0], centre[1], 10 ** rng.uniform(2.5, 4.5), rng.uniform(3, 10), colour)
    dx, dy = x - centre[0], y - centre[1]
    arms, turn, length = int(rng.choice([2, 4, 6, 8])), rng.uniform(0, np.pi), rng.uniform(10, 120)
    for arm in range(max(1, arms // 2)):
        angle = turn + arm * 2 * np.pi / max(2, arms)
        along, across = dx * np.cos(angle) + dy * np.sin(angle), -dx * np.sin(angle) + dy * np.cos(angle)
        spike = rng.uniform(60, 500) * np.exp(-np.abs(along) / length) * np.exp(-((across / rng.uniform(0.6, 3)) ** 2))
        image += spike[..., None] * colour / 255
    if rng.random() < 0.4:
        shift = rng.normal(0, 30, 2)
        radius, ring = np.hypot(dx - shift[0], dy - shift[1]), rng.uniform(15, 80)
        image += (rng.uniform(5, 60) * (radius < ring) * (radius > ring * rng.uniform(0, 0.6)))[..., None]
    return image


def trail(rng: Generator) -> Array:
    """The trail of a satellite, an aeroplane or an asteroid, whole, dashed or in parts, alone or among stars."""
    image = star_field(rng) if rng.random() < 0.6 else _sky(rng)
    x, y = _grid()
    for _ in range(int(rng.choice([1, 1, 1, 2]))):
        angle, offset = rng.uniform(0, np.pi), rng.normal(0, 30)
        along = (x - SIDE / 2) * np.cos(angle) + (y - SIDE / 2) * np.sin(angle)
        across = -(x - SIDE / 2) * np.sin(angle) + (y - SIDE / 2) * np.cos(angle) - offset
        light = rng.uniform(40, 500) * np.exp(-((across / rng.uniform(0.7, 7)) ** 2))
        if rng.random() < 0.3:
            light *= np.sin(along / rng.uniform(2, 20)) > rng.uniform(-0.5, 0.5)
        if rng.random() < 0.2:
            light *= along < rng.normal(0, 60)
        image += light[..., None] * _colour(rng, 150, 255) / 255
    return image


def cosmic_rays(rng: Generator) -> Array:
    """Hits of particles: sharp dots and short tracks, often in one band only."""
    image = _sky(rng)
    for _ in range(int(rng.integers(3, 80))):
        x, y, angle, length = *rng.uniform(0, SIDE, 2), rng.uniform(0, 2 * np.pi), rng.exponential(8) + 1
        steps = np.arange(0, length, 0.5)
        xs = np.clip(x + steps * np.cos(angle), 0, SIDE - 1).astype(int)
        ys = np.clip(y + steps * np.sin(angle), 0, SIDE - 1).astype(int)
        bands = [int(rng.integers(3))] if rng.random() < 0.6 else [0, 1, 2]
        for band in bands:
            image[ys, xs, band] += rng.uniform(60, 255)
    return image


def noise(rng: Generator) -> Array:
    """Noise alone, grey or coloured, of any strength and grain."""
    bands = int(rng.choice([1, 3]))
    grain = int(rng.choice([1, 2, 4, 8, 16, 32]))
    small = rng.normal(rng.uniform(10, 240), rng.uniform(3, 90), (SIDE // grain + 1, SIDE // grain + 1, bands))
    if rng.random() < 0.3:
        small = rng.exponential(rng.uniform(10, 100), small.shape)
    image = np.clip(np.repeat(small, 3 // bands, axis=2), 0, 255).astype(np.uint8)
    how = Image.Resampling.NEAREST if rng.random() < 0.4 else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), how), dtype=float)


def blank(rng: Generator) -> Array:
    """One colour, with hardly any noise; half of them with an edge where a frame or a detector ends."""
    image = np.full((SIDE, SIDE, 3), _colour(rng)) + rng.normal(0, rng.uniform(0, 3), (SIDE, SIDE, 3))
    if rng.random() < 0.5:
        part = image.swapaxes(0, 1) if rng.random() < 0.5 else image
        part[: int(rng.uniform(0.1, 0.9) * SIDE)] = _colour(rng, 0, 255 if rng.random() < 0.5 else 5)
    return image


def gradient(rng: Generator) -> Array:
    """Scattered light, twilight, a flat field that failed: brightness that changes from side to side, or to the corners."""
    x, y = _grid()
    angle, centre = rng.uniform(0, 2 * np.pi), rng.uniform(-0.5, 1.5, 2) * SIDE
    straight = (x * np.cos(angle) + y * np.sin(angle)) / SIDE
    round_ = np.hypot(x - centre[0], y - centre[1]) / SIDE
    ramp = straight if rng.random() < 0.5 else round_
    ramp = (ramp - ramp.min()) / (np.ptp(ramp) + 1e-9)
    ramp = ramp ** rng.uniform(0.3, 3) if rng.random() < 0.7 else (np.sin(ramp * rng.uniform(3, 60)) + 1) / 2
    low, high = _colour(rng), _colour(rng)
    return np.asarray(low + ramp[..., None] * (high - low) + rng.normal(0, rng.uniform(0, 8), (SIDE, SIDE, 3)))


def text(rng: Generator) -> Array:
    """Words and numbers, as on plots, slides and screenshots."""
    image = Image.new("RGB", (SIDE, SIDE), tuple(int(value) for value in _colour(rng)))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 25))):
        words = "".join(rng.choice(list(_LETTERS), int(rng.integers(1, 30))))
        font = ImageFont.load_default(size=float(rng.uniform(8, 70)))
        place = (float(rng.uniform(-20, SIDE * 0.8)), float(rng.uniform(-10, SIDE * 0.95)))
        draw.text(place, words, fill=tuple(int(value) for value in _colour(rng)), font=font)
    return np.asarray(image, dtype=float)


def shapes(rng: Generator) -> Array:
    """Discs, boxes, polygons and lines with sharp or soft edges: everyday things, diagrams, logos."""
    image = Image.new("RGB", (SIDE, SIDE), tuple(int(value) for value in _colour(rng)))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 16))):
        fill = tuple(int(value) for value in rng.uniform(0, 255, 3))
        corners = [(float(a), float(b)) for a, b in rng.uniform(-30, SIDE + 30, (int(rng.integers(3, 7)), 2))]
        (left, right), (top, bottom) = (sorted(pair) for pair in rng.uniform(-30, SIDE + 30, (2, 2)))
        match rng.integers(4):
            case 0:
                draw.ellipse((left, top, right, bottom), fill=fill)
            case 1:
                draw.rectangle((left, top, right, bottom), fill=fill)
            case 2:
                draw.polygon(corners, fill=fill)
            case _:
                draw.line(corners, fill=fill, width=int(rng.integers(1, 20)))
    blurred = image.filter(ImageFilter.GaussianBlur(float(rng.choice([0, 0, 1, 3, 8]))))
    return np.asarray(blurred, dtype=float) + rng.normal(0, rng.uniform(0, 10), (SIDE, SIDE, 3))


def tiles(rng: Generator) -> Array:
    """Blocks, stripes and chequers: files that were damaged, interference of a detector, test patterns."""
    x, y = _grid()
    width, height = rng.integers(1, 60, 2)
    match rng.integers(3):
        case 0:
            pattern = (x // width + y // height) % 2
        case 1:
            pattern = (x if rng.random() < 0.5 else y) // width % 2
        case _:
            pattern = rng.random((SIDE, SIDE))[(y // height).astype(int), (x // width).astype(int)]
    low, high = _colour(rng), _colour(rng)
    image = low + pattern[..., None] * (high - low)
    above: Array = star_field(rng) if rng.random() < 0.2 else rng.normal(0, rng.uniform(0, 8), image.shape)
    return np.asarray(image + above)


#: Ways to be no galaxy, by name.
KINDS: Mapping[str, Callable[[Generator], Array]] = {
    "star field": star_field,
    "bright star": bright_star,
    "trail": trail,
    "cosmic rays": cosmic_rays,
    "noise": noise,
    "blank": blank,
    "gradient": gradient,
    "text": text,
    "shapes": shapes,
    "tiles": tiles,
}


def write_foreign(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """Draw pictures of all kinds in turn into a folder as JPEG.

    Args:
        folder: made if it does not exist.
        count: how many.
        seed: decides what they look like.

    Returns:
        The files written, each named for its kind and number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng, names, paths = np.random.default_rng(seed), list(KINDS), []
    for number in range(count):
        kind = names[number % len(names)]
        path = folder / f"{kind.replace(' ', '_')}-{number // len(names) + 1}.jpg"
        Image.fromarray(foreign(kind, rng)).save(path, quality=JPEG_QUALITY)
        paths.append(path)
    return paths
