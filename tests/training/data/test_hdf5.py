"""Galaxy10 DECaLS as it is published: an HDF5 file of decoded images, numbers for classes, and places in the sky."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from tests.training.galaxies import published_galaxy10
from training.data.cache import open_or_build
from training.data.catalogue import split_of
from training.data.sources import open_catalogue
from training.data.splits import open_splits
from training.tasks import TASKS

GALAXY10 = TASKS["galaxy10"]
COUNT, SIDE = 150, 32


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 rendered galaxies in the published file's layout."""
    return published_galaxy10(tmp_path_factory.mktemp("galaxy10") / "Galaxy10_DECals.h5", COUNT, SIDE)


def test_classes_are_the_numbers_places(published: Path) -> None:
    """0 is a disturbed galaxy and 9 an edge-on one with a bulge; splits are by a galaxy's place in the sky, not by its row."""
    table = open_catalogue(published, GALAXY10)
    assert table["label"].tolist() == [GALAXY10.classes[row % 10] for row in range(COUNT)]
    assert (GALAXY10.classes[0], GALAXY10.classes[9]) == ("Disturbed_Galaxies", "Edge_On_Galaxies_With_Bulge")
    assert table["uid"].is_unique and table["galaxy"][0] == table["galaxy"][1] != table["galaxy"][2]
    assert table["split"].tolist() == [split_of(galaxy) for galaxy in table["galaxy"]]
    assert table["split"].nunique() == 3


def test_its_images_are_decoded_once_into_splits(published: Path, tmp_path: Path) -> None:
    """Each image is that of its row, resized like any other; the data's version knows pixels and labels."""
    names = ("train", "val", "test")
    caches = open_splits(GALAXY10, published, tmp_path, 16, names)
    assert sum(len(cache.labels) for cache in caches.values()) == COUNT
    with h5py.File(published) as file:
        images, numbers = file["images"][:], file["ans"][:]
    for cache in caches.values():
        rows = [int(uid.removeprefix("row-")) for uid in cache.uids]
        assert cache.labels.tolist() == numbers[rows].tolist()
        small = [Image.fromarray(images[row]).resize((16, 16), Image.Resampling.LANCZOS) for row in rows]
        np.testing.assert_array_equal(cache.pixels, np.stack([np.asarray(image) for image in small]))
    other = tmp_path / "other.h5"
    other.write_bytes(published.read_bytes())
    with h5py.File(other, "r+") as file:
        file["images"][:, 0, 0, 0] ^= 1
    changed = open_splits(GALAXY10, other, tmp_path, 16, names)
    assert all(changed[name].version != caches[name].version for name in names)


def test_what_is_not_in_the_layout_is_named(published: Path, tmp_path: Path) -> None:
    """A task without numbers, a file that is none, one without places, and a number beyond the classes say what is wrong."""
    with pytest.raises(ValueError, match=r"classes as numbers, and the task clean5 has none: take the task galaxy10"):
        open_catalogue(published, TASKS["clean5"])
    path = tmp_path / "galaxies.h5"
    path.write_bytes(b"no HDF5")
    with pytest.raises(ValueError, match=r"galaxies\.h5 is no HDF5 file"):
        open_catalogue(path, GALAXY10)
    with h5py.File(path, "w") as file:
        file["images"], file["ans"] = np.zeros((2, 8, 8, 3), np.uint8), np.array([0, 10])
    with pytest.raises(ValueError, match=r"no data sets \['ra', 'dec'\]; expected images, ans, ra, dec"):
        open_catalogue(path, GALAXY10)
    with h5py.File(path, "r+") as file:
        file["ra"], file["dec"] = [1.0, 2.0], [3.0, 4.0]
    with pytest.raises(ValueError, match=r"has the class 10 in row 1; the task galaxy10 has 0 to 9"):
        open_catalogue(path, GALAXY10)
    with h5py.File(path, "r+") as file:
        del file["images"]
        file["images"] = np.zeros((2, 8, 8), np.float32)
    with pytest.raises(ValueError, match=r"expected images of uint8 \(N, S, S, 3\), got float32 \(2, 8, 8\)"):
        open_catalogue(path, GALAXY10)


def test_an_image_that_cannot_be_read_is_left_out(published: Path, tmp_path: Path) -> None:
    """Where the file is gone when its images are decoded, the message names it."""
    path = tmp_path / "moved.h5"
    path.write_bytes(published.read_bytes())
    table = open_catalogue(path, GALAXY10)
    path.unlink()
    with pytest.raises(ValueError, match=r"none of 150 images can be decoded: row .*moved\.h5 cannot be read"):
        open_or_build(table, GALAXY10, 16, tmp_path / "cache")
