"""The classical estimate of an inclination: from the axis ratio of the ellipse that a galaxy's faintest isophote fills.

As it is done by hand and by catalogues: cos²i = (q² − q₀²) / (1 − q₀²) (Hubble 1926), with the thickness q₀ = 0.2 that is taken
for all discs where nothing is known (Tully & Pierce 2000). Detection, deblending and moments are those of photutils.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

THICKNESS = 0.2
SIGMAS = 2.0  # of the sky's noise, that the isophote is above it
_SMOOTHED = 1.5  # pixels, full width at half maximum of the kernel before detection
_LEAST_PIXELS = 10
_CENTRAL = 0.15  # of the side: the galaxy's segment is the largest whose centre is not further from the middle


def inclination(axis_ratio: NDArray[np.float64], thickness: float = THICKNESS) -> NDArray[np.float64]:
    """Degrees of an oblate disc with this apparent axis ratio: 90 where it looks thinner than the disc is (Hubble 1926)."""
    squared = (axis_ratio**2 - thickness**2) / (1 - thickness**2)
    return np.degrees(np.arccos(np.sqrt(np.clip(squared, 0.0, 1.0))))


def axis_ratio(picture: NDArray[np.uint8]) -> float:
    """Axis ratio of the galaxy in the middle of a picture: minor over major axis of its isophote, by second moments of the shape.

    The stretch to 8 bits has no say, since it moves no isophote.

    Args:
        picture: uint8 (S, S, 3).

    Returns:
        0 to 1; NaN where nothing is found in the middle.

    Raises:
        ImportError: photutils is not installed (``pip install 'cosmoformer[inclination]'``).
    """
    from astropy.convolution import convolve_fft
    from astropy.stats import sigma_clipped_stats
    from photutils.segmentation import SourceCatalog, deblend_sources, detect_sources, make_2dgaussian_kernel

    light = picture.astype(np.float64).mean(axis=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of nothing found, which is an answer
        _, sky, _ = sigma_clipped_stats(light, sigma=3.0)
        smooth = convolve_fft(light, make_2dgaussian_kernel(_SMOOTHED, size=5), boundary="wrap")
        noise = sigma_clipped_stats(smooth, sigma=3.0)[2]
        found = detect_sources(smooth, sky + SIGMAS * max(noise, 0.1), _LEAST_PIXELS)
        if found is None:
            return float("nan")
        found = deblend_sources(smooth, found, _LEAST_PIXELS, contrast=0.01, progress_bar=False)
        sources = SourceCatalog(found.data.astype(bool).astype(np.float64), found)
        middle = (np.array(light.shape) - 1) / 2
        off = np.hypot(sources.xcentroid - middle[1], sources.ycentroid - middle[0])
        near = np.flatnonzero(off <= _CENTRAL * len(light))
        if not len(near):
            return float("nan")
        largest = near[np.argmax(sources.area.value[near])]
        minor, major = sources.semiminor_sigma.value[largest], sources.semimajor_sigma.value[largest]
    return float(minor / major)
