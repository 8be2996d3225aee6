"""What tells that two images are of one galaxy."""

from __future__ import annotations

from typing import Any

import pytest

from cosmoformer.likeness.marks import SAME_FILE, SAME_GALAXY, mark_of
from tests.cosmoformer.sample_results import classified_result, located_result

PLACE = {"ra": 187.7059, "dec": 12.3911}


def test_the_same_bytes_are_named_before_all_else() -> None:
    """Whatever the vectors say."""
    result = classified_result()
    assert mark_of(result, result["image"]["sha256"], {}, is_alike=True) == SAME_FILE
    assert mark_of(result, "another", {}, is_alike=True) == SAME_GALAXY
    assert mark_of(result, "another", {}, is_alike=False) == ""


@pytest.mark.parametrize(
    ("change", "mark"),
    [
        ({}, SAME_GALAXY),
        ({"dec": 12.3911 + 1.9 / 3600}, SAME_GALAXY),
        ({"dec": 12.3911 + 2.1 / 3600}, ""),
        ({"ra": 187.7059 + 1.9 / 3600 / 0.9767}, SAME_GALAXY),
        ({"ra": 187.7059 + 2.1 / 3600 / 0.9767}, ""),
        ({"ra": None}, ""),
        ({"dec": None}, ""),
    ],
)
def test_one_place_on_the_sky_is_one_galaxy(change: dict[str, Any], mark: str) -> None:
    """Within two seconds of arc, measured on the sphere; where either place is not known, nothing is said."""
    assert mark_of(located_result(), "another", PLACE | change, is_alike=False) == mark
    assert mark_of(classified_result(), "another", PLACE, is_alike=False) == ""
