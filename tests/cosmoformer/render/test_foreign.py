"""Pictures that are no galaxy: every kind draws them, and the command writes a folder of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cosmoformer.render.__main__ import main
from cosmoformer.render.foreign import KINDS, SIDE, foreign


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_at_random(kind: str) -> None:
    """A seed gives the same square of colours each time, another one another; none of ten is all black."""
    pictures = [foreign(kind, np.random.default_rng(seed)) for seed in range(10)]
    assert {(picture.shape, picture.dtype.name) for picture in pictures} == {((SIDE, SIDE, 3), "uint8")}
    assert all(picture.any() for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == 10
    assert np.array_equal(foreign(kind, np.random.default_rng(3)), pictures[3])


def test_a_folder_of_them_is_written(tmp_path: Path) -> None:
    """As many JPEGs as asked for, of all kinds in turn, listed and named for what they show; a seed draws others."""
    count = len(KINDS) + 2
    written = []
    for folder, *options in (["one"], ["same"], ["other", "--seed", "1"]):
        answer = CliRunner().invoke(main, [str(tmp_path / folder), "--foreign", str(count), *options])
        assert answer.exit_code == 0, answer.output
        written.append([Path(line) for line in answer.output.splitlines()])
    one, same, other = written
    assert [path.name for path in one[:2]] == ["star_field-1.jpg", "bright_star-1.jpg"]
    assert one[len(KINDS)].name == "star_field-2.jpg" and len(set(one)) == count
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in same]
    assert one[0].read_bytes() != other[0].read_bytes()
    with Image.open(one[0]) as image:
        assert (image.format, image.size) == ("JPEG", (SIDE, SIDE))
