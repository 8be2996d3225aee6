"""``python -m training.explain``: what a model looks at, drawn in two ways."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cosmoformer.models.bundled import BUNDLED
from training.explain import main

MODEL = str(BUNDLED / "model.pt")
SAMPLE = str(BUNDLED / "samples" / "barred_spiral.jpg")


@pytest.mark.parametrize(("wanted", "output"), [([], "spiral"), (["--of", "bar_yes"], "bar_yes")])
def test_an_image_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str], wanted: list[str], output: str) -> None:
    """Three panels, side by side: the picture, and what the output relies on by occlusion and by ablation, which differ."""
    assert main(["--artifact", MODEL, "--out", str(tmp_path), *wanted, SAMPLE]) == 0
    assert f": {output};" in capsys.readouterr().out
    with Image.open(tmp_path / "barred_spiral.jpg.png") as drawing:
        side = drawing.height
        assert drawing.width == 3 * side + 16
        panels = [drawing.crop((n * (side + 8), 0, n * (side + 8) + side, side)).tobytes() for n in range(3)]
    assert len(set(panels)) == 3


def test_an_output_that_the_model_lacks_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit status is 1, and the message names what there is."""
    assert main(["--artifact", MODEL, "--out", str(tmp_path), "--of", "arms", SAMPLE]) == 1
    assert "no output 'arms'" in capsys.readouterr().err
