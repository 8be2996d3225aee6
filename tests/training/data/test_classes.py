"""Training tells how many galaxies each class has, and does not begin where there is nothing to tell apart."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.galaxies import labelled_csv, picture
from tests.training.loop.small_runs import coloured
from training import train
from training.data.classes import check_classes

HERE = Path("galaxies")


def test_the_classes_are_told_with_their_galaxies(caplog: pytest.LogCaptureFixture) -> None:
    """Also one that no galaxy of the training split has."""
    caplog.set_level(logging.INFO)
    split = replace(coloured(5, 1), labels=np.array([0, 0, 2, -1, 0]))
    check_classes(split, HERE, labels_alone=True)
    assert caplog.messages == ["classes, with their galaxies in the training split: red (3), green (0), blue (1)"]


def test_one_class_teaches_only_with_something_beside_it() -> None:
    """Labels that are all the same teach nothing, votes or a teacher may; with one class there is nothing to tell apart."""
    split = replace(coloured(5, 1), labels=np.zeros(5, np.int64))
    check_classes(split, HERE, labels_alone=False)
    with pytest.raises(
        ValueError, match=r"in galaxies, found in its training split red \(5\), green \(0\), blue \(0\)"
    ):
        check_classes(split, HERE, labels_alone=True)
    with pytest.raises(ValueError, match=r"two or more classes .* red \(5\);"):
        check_classes(replace(split, classes=("red",)), HERE, labels_alone=False)


def _one_folder_too_high(folder: Path) -> Path:
    for label in ("spiral", "merger"):
        place = folder / "data" / "galaxies" / label
        place.mkdir(parents=True)
        for seed in range(16):
            (place / f"{seed}.jpg").write_bytes(picture("two_armed_spiral", seed + 16 * (label == "merger"), "jpg"))
    return folder / "data"


def _blanks_behind_a_label(folder: Path) -> Path:
    return labelled_csv(folder, {"two_armed_spiral": "galaxies", "round_smooth": "galaxies "})


@pytest.mark.parametrize("make", [_one_folder_too_high, _blanks_behind_a_label])
@pytest.mark.usefixtures("toy_model")
def test_a_run_with_one_class_is_refused(tmp_path: Path, make: object, capfd: pytest.CaptureFixture[str]) -> None:
    """Its accuracy would be 1; the message names the class that was found, and nothing is left behind."""
    assert callable(make)
    options = ["--data", make(tmp_path), "--out", tmp_path / "run", "--cache", tmp_path / "cache", "--device", "cpu"]
    small = ("model=toy", "image_size=16", "task=own", "foreign_pictures=0", "batch_size=4", "epochs=1")
    sets = [word for change in small for word in ("--set", change)]
    assert train.main([*map(str, options), "--threads", "1", *sets]) == 1
    assert "two or more classes to learn from" in (told := capfd.readouterr().err) and "galaxies (" in told
    assert not (tmp_path / "run").exists()
