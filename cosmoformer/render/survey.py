"""What a survey does to the light of the sky: seeing, noise, neighbours and the stretch to an 8-bit colour image.

Images are arrays of shape (3, height, width) in the bands i, r, g, in nanomaggies per square arcsecond.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cosmoformer.render.galaxy import Array


@dataclass(frozen=True, kw_only=True)
class Survey:
    """An imaging survey; the defaults are those of the Sloan Digital Sky Survey.

    Attributes:
        pixel: side of a pixel of the camera, arcsec (Gunn et al. 1998).
        exposure: seconds.
        seeing: full width at half maximum of the point-spread function, arcsec (median in r, Abazajian et al. 2009).
        moffat_beta: exponent of its wings.
        sky: brightness of the night sky in i, r, g, mag arcsec⁻², rounded.
        sensitivity: electrons per second of a source of 1 nMgy in i, r, g, rounded.
        stars: per square arcminute down to the faintest drawn.
        galaxies: per square arcminute down to the faintest drawn.
    """

    pixel: float = 0.396
    exposure: float = 53.9
    seeing: float = 1.3
    moffat_beta: float = 3.0
    sky: tuple[float, float, float] = (20.3, 20.9, 22.1)
    sensitivity: tuple[float, float, float] = (14.0, 18.0, 18.0)
    stars: float = 2.0
    galaxies: float = 3.0

    @property
    def electrons(self) -> Array:
        """Electrons that a surface of 1 nMgy arcsec⁻² leaves in one pixel of the camera, in i, r, g."""
        return np.array(self.sensitivity) * self.exposure * self.pixel**2

    @property
    def sky_brightness(self) -> Array:
        """Brightness of the night sky in i, r, g, nMgy arcsec⁻²."""
        brightness: Array = 10.0 ** (0.4 * (22.5 - np.array(self.sky)))
        return brightness


SDSS = Survey()


def moffat(radius: Array, *, fwhm: float, beta: float) -> Array:
    """Moffat (1969) point-spread function, 1 at the centre.

    Args:
        radius: from the centre, in the unit of the width.
        fwhm: full width at half maximum.
        beta: exponent of the wings.

    Returns:
        Brightness relative to the centre.
    """
    core = fwhm / (2 * np.sqrt(2 ** (1 / beta) - 1))
    brightness: Array = (1 + (radius / core) ** 2) ** -beta
    return brightness


def blur(image: Array, *, fwhm: float, beta: float) -> Array:
    """Convolve every band with a Moffat function by FFT.

    The frame is doubled with empty sky, so light that leaves one edge does not come back at the other.

    Args:
        image: (bands, size, size); in single precision it takes half as long.
        fwhm: full width at half maximum, pixels.
        beta: exponent of the wings.

    Returns:
        An image of the same shape.
    """
    size = image.shape[-1]
    offset = np.fft.fftfreq(2 * size, 1 / (2 * size))
    kernel = moffat(np.hypot(offset, offset[:, None]), fwhm=fwhm, beta=beta)
    transfer = np.fft.rfft2((kernel / kernel.sum()).astype(image.dtype, copy=False))
    spectrum = np.fft.rfft2(image, (2 * size, 2 * size))
    blurred: Array = np.fft.irfft2(spectrum * transfer, (2 * size, 2 * size))[:, :size, :size]
    return blurred


def noise(image: Array, *, field_of_view: float, survey: Survey, rng: np.random.Generator) -> Array:
    """Photon noise of sky and source, as a cut-out resampled from the camera's pixels shows it.

    The noise is drawn on the camera's pixels and enlarged: that makes the soft grain of the cut-outs. Counts are high
    enough for a normal distribution in place of Poisson's.

    Args:
        image: (3, size, size), nMgy arcsec⁻².
        field_of_view: side of the image, arcsec.
        survey: whose sky and camera.
        rng: source of the noise.

    Returns:
        Noise of zero mean, same shape and unit.
    """
    variance = (survey.sky_brightness[:, None, None] + np.clip(image, 0, None)) / survey.electrons[:, None, None]
    grain: Array = np.stack([_grain(image.shape[-1], field_of_view / survey.pixel, rng) for _ in image])
    grain *= np.sqrt(variance)
    return grain


def _grain(size: int, camera_pixels: float, rng: np.random.Generator) -> Array:
    """Unit normal noise on a square of so many camera pixels a side, resampled to an image of this size."""
    drawn = rng.standard_normal((int(np.ceil(camera_pixels)),) * 2, dtype=np.float32)
    box = (0.0, 0.0, camera_pixels, camera_pixels)
    resampled = Image.fromarray(drawn).resize((size, size), Image.Resampling.BICUBIC, box=box)
    return np.asarray(resampled, dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """The colour-preserving asinh stretch of Lupton et al. (2004); the defaults resemble SDSS's JPEG cut-outs.

    Attributes:
        gains: weights of i, r, g in red, green, blue.
        softening: mean brightness at which the stretch turns from linear to logarithmic, nMgy arcsec⁻².
        white: mean brightness that is shown as 255, nMgy arcsec⁻².
        black: brightness in i, r, g shown as 0, nMgy arcsec⁻²; below the sky, so that not half of the noise is cut.
    """

    gains: tuple[float, float, float] = (0.84, 1.0, 1.57)
    softening: float = 1.2
    white: float = 70.0
    black: tuple[float, float, float] = (-0.08, -0.06, -0.02)

    def __call__(self, image: Array) -> NDArray[np.uint8]:
        """Turn brightness into colour.

        Args:
            image: (3, height, width), nMgy arcsec⁻².

        Returns:
            Red, green, blue, of shape (height, width, 3). Too bright pixels keep their hue.
        """
        colour = (image - np.array(self.black)[:, None, None]) * np.array(self.gains)[:, None, None]
        intensity = np.maximum(colour.mean(axis=0), 1e-6)
        colour = colour * np.arcsinh(intensity / self.softening) / intensity
        colour = colour / np.arcsinh(self.white / self.softening)
        colour = colour / np.maximum(colour.max(axis=0), 1.0)
        levels: NDArray[np.uint8] = np.rint(255 * np.clip(colour, 0.0, 1.0)).astype(np.uint8)
        return levels.transpose(1, 2, 0)
