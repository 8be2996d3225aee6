"""Answers on a held-out set, for tests that need two versions of which one is better."""

from __future__ import annotations

from cosmoformer.models.gate import HeldOut

IMAGES = 1000


def held_out(right: int, name: str = "0123456789abcdef") -> dict[str, str]:
    """Tags of a version that has the first galaxies of a thousand right."""
    return HeldOut.of(name, (index < right for index in range(IMAGES))).tags()
