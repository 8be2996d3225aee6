"""What two images have in common beyond their looks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cosmoformer.storage.results import Result

SAME_FILE, SAME_GALAXY = "same file", "same galaxy?"
_NEAR_ARCSEC = 2.0


def mark_of(result: Result, sha256: str, place: Mapping[str, Any], *, is_alike: bool) -> str:
    """How an image's result is marked beside another image; empty for two galaxies.

    Args:
        result: of the one.
        sha256: of the other's bytes.
        place: what is known of the other's object.
        is_alike: whether their vectors say that it is the same galaxy.
    """
    if result["image"]["sha256"] == sha256:
        return SAME_FILE
    return SAME_GALAXY if is_alike or _is_same_place(place, result.get("object") or {}) else ""


def _is_same_place(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    try:
        ra, dec, other_ra, other_dec = (math.radians(each[axis]) for each in (one, other) for axis in ("ra", "dec"))
    except (KeyError, TypeError):
        return False
    half = (
        math.sin((dec - other_dec) / 2) ** 2 + math.cos(dec) * math.cos(other_dec) * math.sin((ra - other_ra) / 2) ** 2
    )
    return math.degrees(2 * math.asin(math.sqrt(min(half, 1)))) * 3600 <= _NEAR_ARCSEC
