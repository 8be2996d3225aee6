"""A catalogue is complete and checked, whatever source it came from."""

from __future__ import annotations

import pytest

from tests.training.galaxies import GALAXIES, OWN, rows
from training.data.catalogue import catalogue, split_of


def test_a_wrong_label_names_the_allowed_ones() -> None:
    """A label that is no class of the task stops the reading; the message has its row and what is allowed."""
    table = rows(*GALAXIES[:2]).assign(label=["spiral", "sprial"])
    with pytest.raises(
        ValueError, match=r"unknown labels \['sprial'\].*row 1 \(uid g1\).*allowed are \['edge_on', 'spiral'\]"
    ):
        catalogue(table, OWN.with_classes(["edge_on", "spiral"]))


def test_a_wrong_split_names_the_allowed_ones() -> None:
    """A split that nobody opens would lose its galaxies silently."""
    with pytest.raises(ValueError, match=r"unknown splits \['holdout'\].*'train', 'val', 'test'"):
        catalogue(rows(GALAXIES[0], split="holdout"), OWN)


def test_splits_have_their_names_elsewhere_too() -> None:
    """Other names that are usual mean the same, in whatever case."""
    table = rows(*GALAXIES[:4]).assign(split=["Train", "Validation", " valid", "TESTING"])
    assert list(catalogue(table, OWN)["split"]) == ["train", "val", "val", "test"]


def test_an_image_without_a_split_stands_with_its_galaxy() -> None:
    """Where another image of the galaxy has a split it is that one's; the others are distributed as if no row had one."""
    table = rows(*GALAXIES).assign(galaxy=["m3", "m3", "m4", "m51", "m104", "m104"])
    table["split"] = ["val", None, float("nan"), "", "test", None]
    assert list(catalogue(table, OWN)["split"]) == ["val", "val", "test", "train", "test", "test"]
    assert list(catalogue(table.assign(split=None), OWN)["split"]) == ["train", "train", "test", "train", "val", "val"]


def test_blanks_around_a_label_are_no_part_of_it() -> None:
    """Nobody sees them, and they would make two classes of one; a label of blanks alone is none."""
    table = rows(*GALAXIES[:3]).assign(label=["spiral", "spiral ", "  "])
    assert list(catalogue(table, OWN)["label"]) == ["spiral", "spiral", None]


def test_a_uid_in_two_rows_is_refused() -> None:
    """Rows are told apart by their uid."""
    with pytest.raises(ValueError, match=r"1 uids stand in two rows, the first is g0 \(row 1\)"):
        catalogue(rows(*GALAXIES[:2]).assign(uid="g0"), OWN)


def test_a_row_without_a_uid_is_refused() -> None:
    """A missing uid is not an identifier called nan."""
    with pytest.raises(ValueError, match=r"1 rows have no uid, the first is row 1"):
        catalogue(rows(*GALAXIES[:2]).assign(uid=["g0", None]), OWN)


def test_a_galaxy_in_two_splits_is_refused() -> None:
    """Two images of one galaxy may stand in one split, never in two."""
    table = rows(*GALAXIES[:2]).assign(galaxy="m51")
    assert list(catalogue(table, OWN)["galaxy"]) == ["m51", "m51"]
    with pytest.raises(
        ValueError, match=r"1 galaxies stand in more than one split, the first is m51 in test and train"
    ):
        catalogue(table.assign(split=["train", "test"]), OWN)


def test_galaxies_without_a_split_are_distributed_for_good() -> None:
    """Images of one galaxy share a split, the shares are 80, 10 and 10 %, and other galaxies have no say."""
    table = rows(*["x.jpg"] * 3000).drop(columns="split")
    table["galaxy"] = [f"galaxy-{number // 2}" for number in range(3000)]
    all_of_them = catalogue(table, OWN)
    shares = all_of_them.groupby("galaxy")["split"].first().value_counts(normalize=True)
    assert (shares["train"], shares["val"], shares["test"]) == pytest.approx((0.8, 0.1, 0.1), abs=0.03)
    some = catalogue(table.iloc[1000:1100], OWN)
    assert some["split"].equals(all_of_them["split"].iloc[1000:1100])
    assert [split_of(galaxy) for galaxy in ("m3", "m4", "m51", "m104")] == ["train", "test", "train", "val"]
    assert {split_of(f"m{number}", seed=1) == split_of(f"m{number}") for number in range(50)} == {True, False}
