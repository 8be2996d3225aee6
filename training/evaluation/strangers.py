"""Pictures of what is no galaxy by other means than the project's renderer: what a score that learned from that is measured on.

Photographs and handwriting come with scikit-learn, fractals and ramps with Pillow; stars are diffracted by a telescope's mirror.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
SIDE = 224


def stranger(kind: str, random: Generator) -> Pixels:
    """One picture.

    Args:
        kind: one of :data:`KINDS`.
        random: decides what it looks like.

    Returns:
        uint8 (224, 224, 3).
    """
    return np.array(KINDS[kind](random), dtype=np.uint8)  # a copy: some are views that nobody may write to


@cache
def _photographs() -> list[Pixels]:
    from sklearn.datasets import load_sample_images

    return list(load_sample_images().images)


@cache
def _digits() -> NDArray[np.floating]:
    from sklearn.datasets import load_digits

    return np.asarray(load_digits().images)


def _photograph(random: Generator) -> Pixels:
    """Some part of a flower or a Chinese roof."""
    whole = _photographs()[random.integers(2)]
    side = int(random.integers(60, 400))
    top, left = (int(random.integers(length - side)) for length in whole.shape[:2])
    return _enlarged(Image.fromarray(whole[top : top + side, left : left + side]))


def _digit(random: Generator) -> Pixels:
    """A handwritten digit, in blocks or smooth."""
    digits = _digits()
    how = Image.Resampling.NEAREST if random.random() < 0.5 else Image.Resampling.BICUBIC
    return _enlarged(Image.fromarray((digits[random.integers(len(digits))] * 15).astype(np.uint8)), how)


def _fractal(random: Generator) -> Pixels:
    """A part of the Mandelbrot set."""
    left, top, side = random.uniform(-2, 0.5), random.uniform(-1, 1), 10 ** random.uniform(-2, 0.3)
    return _enlarged(Image.effect_mandelbrot((SIDE, SIDE), (left, top, left + side, top + side), 100))


def _clouds(random: Generator) -> Pixels:
    """Noise of all scales, each weaker by its own."""
    layers = []
    for grain in (2, 4, 8, 16, 32, 64):
        bands = (random.random((3, grain, grain)) * 255).astype(np.uint8)
        layers.append(np.stack([_enlarged(Image.fromarray(band))[..., 0] for band in bands], axis=-1) / grain)
    clouds = np.sum(layers, axis=0)
    return _bytes((clouds - clouds.min()) / np.ptp(clouds) * 255)


def _diffraction(random: Generator) -> Pixels:
    """Stars as a mirror with a hole and vanes shows them (Fraunhofer: the square of the aperture's Fourier transform)."""
    y, x = np.mgrid[-1:1:256j, -1:1:256j] * random.uniform(2, 8)
    radius, turn = np.hypot(x, y), random.uniform(0, np.pi)
    aperture = (radius < 1) & (radius > random.uniform(0, 0.5))
    for angle in turn + np.linspace(0, np.pi, int(random.integers(1, 4)), endpoint=False):
        aperture &= np.abs(x * np.cos(angle) + y * np.sin(angle)) > 0.04  # a vane
    star = np.abs(np.fft.fftshift(np.fft.fft2(aperture, (512, 512)))) ** 2
    star /= star.max()
    sky = np.zeros((SIDE, SIDE))
    for _ in range(int(random.integers(1, 25))):
        top, left = random.integers(256 - SIDE, 257, 2) if random.random() < 0.7 else (256 - SIDE // 2, 256 - SIDE // 2)
        sky += 10 ** random.uniform(1.5, 5) * star[top : top + SIDE, left : left + SIDE]
    if random.random() < 0.3:  # a column of the detector bleeds
        sky[:, random.integers(SIDE)] += 255
    return _grey(sky + random.poisson(10, sky.shape))


def _ramp(random: Generator) -> Pixels:
    """From black to white, along a line or outwards, turned."""
    ramp = Image.radial_gradient("L") if random.random() < 0.5 else Image.linear_gradient("L")
    return _enlarged(ramp.rotate(random.uniform(0, 360)))


def _bars(random: Generator) -> Pixels:
    """Bars of a code."""
    return _grey(np.broadcast_to(np.repeat(random.integers(0, 2, SIDE // 2), 2) * 255, (SIDE, SIDE)))


def _salt_and_pepper(random: Generator) -> Pixels:
    """Grey with dead and saturated pixels."""
    dots = random.random((SIDE, SIDE))
    return _grey(np.where(dots < 0.05, 0, np.where(dots > 0.95, 255, random.integers(256))))


def _flat(random: Generator) -> Pixels:
    """One colour, or one grey."""
    colour = random.integers(0, 256, 3) if random.random() < 0.5 else np.repeat(random.integers(256), 3)
    return _bytes(np.broadcast_to(colour, (SIDE, SIDE, 3)))


def _shot_noise(random: Generator) -> Pixels:
    """A few photons a pixel, amplified."""
    photons = random.uniform(0.3, 40)
    return _grey(random.poisson(photons, (SIDE, SIDE)) * random.uniform(10, 128) / photons)


def _wheel(random: Generator) -> Pixels:
    """Spokes: a test pattern of opticians (Siemens star)."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    return _grey(255.0 * (np.sin(np.arctan2(y, x) * int(random.integers(2, 30))) > 0))


def _enlarged(image: Image.Image, how: Image.Resampling = Image.Resampling.BICUBIC) -> Pixels:
    return np.asarray(image.resize((SIDE, SIDE), how).convert("RGB"))


def _grey(light: NDArray[np.floating]) -> Pixels:
    return np.repeat(_bytes(light)[..., None], 3, axis=2)


def _bytes(light: NDArray[np.floating]) -> Pixels:
    clipped: Pixels = np.clip(light, 0, 255).astype(np.uint8)
    return clipped


#: Generators by the name of what they draw.
KINDS: Mapping[str, Callable[[Generator], Pixels]] = {
    "photograph": _photograph,
    "digit": _digit,
    "fractal": _fractal,
    "clouds": _clouds,
    "diffraction": _diffraction,
    "ramp": _ramp,
    "bars": _bars,
    "salt and pepper": _salt_and_pepper,
    "flat": _flat,
    "noise": _shot_noise,
    "wheel": _wheel,
}
