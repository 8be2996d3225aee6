"""How a model fares on other surveys: rules, framings, colours, groups, and what the card says of it."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cosmoformer.models import artifact
from cosmoformer.models.artifact import Artifact
from tests.cosmoformer.tiny_artifact import hue_artifact, joint_artifact
from training.evaluate_surveys import RECORD_FILE, main, surveys_of
from training.evaluation.survey_card import frame, section
from training.evaluation.surveys import (
    COLOURS,
    GREY,
    ZOOMS,
    Group,
    SurveyFigures,
    figures_of,
    light_of,
    read_surveys,
    survey_figures,
    wilson,
)

RULES = """
[[survey]]
name = "Ours"
files = "ours-*.parquet"
splits = ["test"]
rules = [
    { accept = ["red"], type = [1, 3], inclination = 1 },
    { accept = ["red", "blue"], type = [1, 3] },
    { accept = ["green"], name = "tree" },
]

[[survey]]
name = "Theirs"
files = "theirs.parquet"
splits = ["test"]
shown = 0.5
rules = [{ accept = ["blue"], type = 1 }]
"""


def ringed(inner: tuple[int, int, int] = (200, 10, 10)) -> bytes:
    """A square of one colour in the middle of a blue picture, half a side wide."""
    pixels = np.full((64, 64, 3), (10, 10, 200), np.uint8)
    pixels[16:48, 16:48] = inner
    pixels[32, 32] = 0  # one colour alone is no picture
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two surveys on disk, and the table that says what they are."""
    folder = tmp_path_factory.mktemp("surveys")
    rows = [
        {"split": "test", "type": 1.0, "inclination": 1.0, "name": "x", "image": ringed()},
        {"split": "test", "type": 3.0, "inclination": 0.5, "name": "x", "image": ringed()},
        {"split": "test", "type": 4.0, "inclination": None, "name": "tree", "image": ringed()},
        {"split": "test", "type": None, "inclination": None, "name": "x", "image": ringed()},
        {"split": "train", "type": 1.0, "inclination": 1.0, "name": "x", "image": ringed()},
    ]
    pd.DataFrame(rows).to_parquet(folder / "ours-a.parquet")
    pd.DataFrame([{"split": "test", "type": 1, "image": ringed()}]).to_parquet(folder / "theirs.parquet")
    (folder / "surveys.toml").write_text(RULES)
    return folder


@pytest.fixture(scope="module")
def model() -> Artifact:
    return artifact.load(joint_artifact(score=True))


def test_the_first_rule_that_fits_says_which_classes_are_right(folder: Path) -> None:
    """Ranges include their ends, a label that is missing fits nothing, and other splits are left out."""
    ours, theirs = read_surveys(folder, table=folder / "surveys.toml")
    assert [set(galaxy.accept) for galaxy in ours.galaxies] == [{"red"}, {"red", "blue"}, {"green"}, set()]
    assert (theirs.name, theirs.shown, len(theirs.galaxies)) == ("Theirs", 0.5, 1)


def test_some_galaxies_are_drawn_the_same_each_time(folder: Path, model: Artifact) -> None:
    """A smaller measurement is one of the same galaxies again and again; as they come all are measured."""
    first, second = (read_surveys(folder, 2, folder / "surveys.toml")[0] for _ in range(2))
    assert (len(first.galaxies), len(first.drawn)) == (4, 2) and first == second
    few, everything = (survey_figures(model, read_surveys(folder, most, folder / "surveys.toml")[0]) for most in (2, 0))
    assert {one.images for one in few.shown} == {2} and {one.images for one in everything.shown} == {4}
    assert (few.images, few.by_class, few.by_size) == (everything.images, everything.by_class, everything.by_size)


def test_a_folder_without_surveys_is_named(tmp_path: Path) -> None:
    """Not a table without rows."""
    with pytest.raises(ValueError, match=r"has none of the files that surveys\.toml names"):
        read_surveys(tmp_path)


def test_a_model_is_measured_at_every_zoom_and_in_every_colour(folder: Path, model: Artifact) -> None:
    """Shown larger, the square in the middle outweighs the rest: blue turns red between zoom 1 and 1.5."""
    found = survey_figures(model, read_surveys(folder, table=folder / "surveys.toml")[0])
    assert [one.name for one in found.shown] == [f"zoom {zoom:g}" for zoom in ZOOMS] + [*COLOURS, GREY]
    by_name = {one.name: one for one in found.shown}
    assert (found.images, found.with_class) == (4, 3)
    assert by_name["zoom 1"].accuracy == pytest.approx(1 / 3, abs=1e-4)  # blue is right for one of three
    assert by_name["zoom 1.5"].accuracy == pytest.approx(2 / 3, abs=1e-4)
    assert (by_name["zoom 1"].flagged, by_name["zoom 1.8"].flagged) == (1, 0)  # the score is how red it is
    assert [(one.name, one.images) for one in found.by_class] == [("blue", 4)]
    assert figures_of(json.loads(json.dumps(asdict(found)))) == found


def test_images_that_show_a_part_are_framed_as_the_whole(folder: Path, model: Artifact) -> None:
    """Of images that show half a side, zoom 1 is the picture with as much again around it, as a user would have it."""
    theirs = survey_figures(model, read_surveys(folder, table=folder / "surveys.toml")[1])
    ours = survey_figures(model, read_surveys(folder, table=folder / "surveys.toml")[0])
    # All of the stored picture is what a user's zoom of two would show.
    shares = {one.name: one.confidence for one in theirs.shown}
    assert shares["zoom 1"] != {one.name: one.confidence for one in ours.shown}["zoom 1"]


def test_quarters_hold_all_galaxies(folder: Path, model: Artifact) -> None:
    """Each galaxy is in one quarter of sizes and in one of brightnesses, also where all are alike."""
    found = survey_figures(model, read_surveys(folder, table=folder / "surveys.toml")[0])
    for groups in (found.by_size, found.by_brightness):
        assert sum(one.images for one in groups) == found.images


def test_light_is_measured_around_the_centre() -> None:
    """A disc of level 200 on a sky of 10 has half its light within 1/√2 of its radius, and 190 above the sky."""
    y, x = np.mgrid[:200, :200] - 99.5
    pixels = np.where(np.hypot(x, y)[..., None] < 40, 200, 10).astype(np.uint8).repeat(3, axis=2)
    radius, brightness = light_of(pixels)
    assert radius == pytest.approx(40 / np.sqrt(2) / 200, abs=0.005)
    assert brightness == pytest.approx(190, abs=1)
    assert light_of(np.full((20, 20, 3), 7, np.uint8)) == (0, 0)


def test_the_interval_of_a_share_is_wilsons() -> None:
    """Values of Wilson's formula by hand: 8 of 10 is 0.4902 to 0.9433; none of 10 is 0 to 0.2775."""
    assert wilson(8, 10) == (0.4902, 0.9433)
    assert wilson(0, 10) == (0.0, 0.2775)


def test_the_command_writes_a_record_of_the_artifact(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The record is that of the artifact alone, and what was measured is printed too."""
    content = joint_artifact(score=True)
    (tmp_path / "model.pt").write_bytes(content)
    monkeypatch.setattr("training.evaluation.surveys.SURVEYS", folder / "surveys.toml")
    monkeypatch.setattr(read_surveys, "__defaults__", (0, folder / "surveys.toml"))
    out = tmp_path / RECORD_FILE
    assert main(["--artifact", str(tmp_path / "model.pt"), "--data", str(folder), "--out", str(out)]) == 0
    assert "Ours: 4 galaxies, 3 of them with a class" in capsys.readouterr().out
    sha256 = artifact.digest(content)
    assert [one.name for one in surveys_of(out, sha256)] == ["Ours", "Theirs"]
    with pytest.raises(ValueError, match=f"is of the artifact {sha256}, not of 00; measure it again"):
        surveys_of(out, "00")
    out.write_text("[]")
    with pytest.raises(ValueError, match="is no record of surveys"):
        surveys_of(out, sha256)


def test_a_model_without_classes_is_refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what was expected."""
    (tmp_path / "model.pt").write_bytes(hue_artifact())
    (folder / "galaxy10_decals-x.parquet").write_bytes((folder / "theirs.parquet").read_bytes())
    assert main(["--artifact", str(tmp_path / "model.pt"), "--data", str(folder)]) == 1
    assert capsys.readouterr().err.startswith("error: a model of ")


def test_the_card_has_every_survey_and_way(folder: Path, model: Artifact) -> None:
    """One column a survey, one row a way; classes in words; nothing without surveys."""
    found = [survey_figures(model, survey) for survey in read_surveys(folder, table=folder / "surveys.toml")]
    text = section(found, {"blue": "very blue"})
    assert "| shown | Ours | Theirs |" in text
    assert "| very blue | 4 |" in text
    assert all(f"| {one.name} | " in text for one in found[0].shown)
    assert section([], {}) == ""


def test_the_card_says_how_large_a_galaxy_is_to_be() -> None:
    """The zooms next to 1 at which accuracy has not left its interval downwards; one beyond a worse one does not count."""
    accuracies = {0.5: 0.9, 0.7: 0.6, 0.85: 0.78, 1: 0.8, 1.2: 0.85, 1.5: 0.71, 2: 0.69}
    ways = [Group(f"zoom {zoom:g}", 100, accuracy, 0.7, 0.9, None, None) for zoom, accuracy in accuracies.items()]
    own = SurveyFigures("Ours", 100, 100, (*ways, Group("redder", 100, 0.1, 0.0, 0.2, None, None)), (), (), ())
    text = frame(8.48, [own])
    assert "8.48 Petrosian radii (R90)" in text and "Shown 0.85 to 1.5 times as large" in text
    assert "Shown" not in frame(8.48, []) and "Petrosian" in frame(8.48, [])
    assert frame(0.0, [own]) == ""
