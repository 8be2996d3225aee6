"""From how many sides a galaxy is looked at: a galaxy has no up, and what is said of it should not depend on how it lies."""

from __future__ import annotations


def angles(count: int) -> list[tuple[float, bool]]:
    """How each of ``count`` views is turned, degrees counter-clockwise, and whether it is mirrored first.

    They are ``count / 2`` equally spaced rotations, each as it is and mirrored; the first is the image as it is.

    Raises:
        ValueError: ``count`` is no even number above 0.
    """
    if count < 2 or count % 2:
        raise ValueError(
            f"the number of views must be even and above 0 (rotations, each with its mirror image), got {count}"
        )
    return [(720 / count * turn, mirrored) for mirrored in (False, True) for turn in range(count // 2)]
