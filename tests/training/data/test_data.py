"""From a catalogue to decoded images: what is checked, skipped, cached and counted."""

from __future__ import annotations

import fcntl
import io
import logging
import multiprocessing
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.training.galaxies import CLEAN5, GALAXIES, OWN, rows, small_catalogue
from training.data.cache import ImageCache, open_or_build
from training.data.catalogue import catalogue
from training.data.splits import open_splits
from training.tasks import Task


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_catalogue(tmp_path_factory.mktemp("data"), per_class=4, votes=True)


def opened(table: pd.DataFrame, folder: Path, task: Task = OWN, size: int = 16) -> dict[str, ImageCache]:
    return open_or_build(catalogue(table, task), task, size, folder)


def encoded(pixels: np.ndarray, format: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format)
    return stream.getvalue()


def test_splits_have_labels_targets_and_images(data: Path, tmp_path: Path) -> None:
    """Each split's arrays belong together, row by row, and equal the file's."""
    task = CLEAN5.looking_at(0.5)
    caches = open_splits(task, data, tmp_path, 32, ("train", "val", "test"))
    table = pd.read_parquet(data / "gz_challenge-small.parquet").set_index("uid")
    assert {name: len(cache.labels) for name, cache in caches.items()} == {"train": 10, "val": 5, "test": 5}
    for name, cache in caches.items():
        mine = table.loc[list(cache.uids)]
        assert set(mine["split"]) == {name}
        assert [cache.classes[label] for label in cache.labels] == list(mine["clean5"])
        np.testing.assert_array_equal(cache.targets, mine[list(CLEAN5.targets)].to_numpy(np.float32))
        with Image.open(io.BytesIO(mine["image"].iloc[0])) as image:
            side = round(image.width * task.kept)
            start = (image.width - side) // 2
            centre = image.convert("RGB").crop((start, start, start + side, start + side))
        assert side == round(image.width * 0.5 * 424 / 320) < image.width
        # Lanczos looks a little beyond what is cut out.
        np.testing.assert_allclose(
            cache.pixels[0][2:-2, 2:-2].astype(int),
            np.asarray(centre.resize((32, 32), Image.Resampling.LANCZOS))[2:-2, 2:-2],
            atol=1,
        )
        expected = cache.pixels[0]
        np.testing.assert_array_equal(cache.images(slice(0, 1))[0].permute(1, 2, 0), expected)
    assert np.isnan(caches["train"].targets).any() and np.isfinite(caches["train"].targets).any()


def test_an_unlabelled_galaxy_is_trained_on_for_its_votes(data: Path, tmp_path: Path) -> None:
    """Training keeps what has a label or a vote; the other splits keep what has a label."""
    table = pd.read_parquet(data / "gz_challenge-small.parquet")
    table["clean5"] = table["clean5"].astype(object).where(~table["uid"].str.startswith("cigar"), None)
    table.to_parquet(tmp_path / "gz_challenge-some.parquet")
    caches = open_splits(CLEAN5, tmp_path, tmp_path / "cache", 16, ("train", "val", "test"))
    voted = table[(table["split"] == "train") & (table["clean5"].notna() | table["Class1.1"].notna())]
    assert caches["train"].uids == tuple(voted["uid"])
    assert (caches["train"].labels == -1).sum() == voted["clean5"].isna().sum() > 0
    assert (len(caches["val"].labels), len(caches["test"].labels)) == (4, 4)
    without_votes = open_splits(OWN, _as_own(table, tmp_path / "own"), tmp_path / "cache", 16, ("train",))
    assert len(without_votes["train"].labels) == 8


def _as_own(table: pd.DataFrame, folder: Path) -> Path:
    folder.mkdir()
    table.rename(columns={"clean5": "label"}).to_parquet(folder / "galaxies.parquet")
    return folder


def test_a_split_that_is_empty_is_named(tmp_path: Path) -> None:
    """A run without validation images ends before it begins."""
    rows(*GALAXIES).to_parquet(tmp_path / "galaxies.parquet")
    with pytest.raises(ValueError, match=r"no image for the val split.*'train': 6"):
        open_splits(OWN, tmp_path, tmp_path / "cache", 16, ("train", "val"))


def test_the_catalogue_decides_the_classes_of_an_own_task(tmp_path: Path) -> None:
    """Without given classes they are the sorted labels; given ones are kept in their order."""
    rows(*GALAXIES).assign(label=["s", "e", "s", "b", "e", "s"]).to_parquet(tmp_path / "galaxies.parquet")
    train = open_splits(OWN, tmp_path, tmp_path / "cache", 16, ("train",))["train"]
    assert train.classes == ("b", "e", "s")
    assert train.labels.tolist() == [2, 1, 2, 0, 1, 2]
    train = open_splits(OWN, tmp_path, tmp_path / "cache", 16, ("train",), classes=["s", "e", "b"])["train"]
    assert train.labels.tolist() == [0, 1, 0, 2, 1, 0]
    with pytest.raises(ValueError, match=r"unknown labels \['b'\]"):
        open_splits(OWN, tmp_path, tmp_path / "cache", 16, ("train",), classes=["s", "e"])


def test_images_that_cannot_be_used_are_skipped_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A missing, a broken, a blank and an absent image name their row and reason; one warning sums them up."""
    blank = encoded(np.zeros((16, 16, 3), np.uint8))
    bad = [str(tmp_path / "gone.jpg"), GALAXIES[0][:200], b"no image", blank, None]
    table = pd.DataFrame(
        {"path": ["0.webp", "gone.jpg", "2.webp", "3.webp", "4.webp", "", "6.webp"], "label": "spiral"}
    )
    for name, content in zip(table["path"], [GALAXIES[1], None, *bad[1:4], None, GALAXIES[2]], strict=True):
        if content:
            (tmp_path / name).write_bytes(content)
    (table.assign(split="train", uid=[f"g{number}" for number in range(7)])).to_csv(tmp_path / "table.csv", index=False)
    with caplog.at_level(logging.WARNING):
        train = open_splits(OWN, tmp_path / "table.csv", tmp_path / "cache", 16, ("train",))["train"]
    assert train.uids == ("g0", "g6")
    assert [(image.uid, image.row) for image in train.skipped] == [(f"g{number}", number) for number in range(1, 6)]
    for image, reason in zip(
        train.skipped, ["No such file", "damaged", "no image", "same value", "no image"], strict=True
    ):
        assert reason in image.reason
    [message] = [record.getMessage() for record in caplog.records if record.name == "training.data.splits"]
    assert "5 of 7 images of the train split are skipped: row 1 (uid g1)" in message
    assert "uid g3" in message and "uid g4" not in message


def test_data_without_one_usable_image_are_refused(tmp_path: Path) -> None:
    """When every image is broken something is wrong with all of them, and the reason is said."""
    with pytest.raises(ValueError, match=r"none of 2 images can be decoded: row 0 \(uid g0\)"):
        opened(rows(b"no", b"image"), tmp_path)
    with pytest.raises(ValueError, match="none of 2"):
        opened(rows(b"no", b"image"), tmp_path)


def test_an_image_that_stands_in_two_splits_is_learned_in_none(tmp_path: Path) -> None:
    """The same file under another uid leaves the split that can spare it: train before val before test."""
    first, second, third, fourth = GALAXIES[:4]
    table = pd.concat(
        [
            rows(first, second, third, third, split="train"),
            rows(second, fourth, split="val", start=4),
            rows(first, fourth, split="test", start=6),
        ],
        ignore_index=True,
    )
    caches = opened(table, tmp_path)
    assert {name: cache.uids for name, cache in caches.items()} == {
        "train": ("g2", "g3"),
        "val": ("g4",),
        "test": ("g6", "g7"),
    }
    assert [image.row for image in caches["train"].skipped] == [0, 1]
    assert caches["train"].skipped[0].reason == "The same image stands in the test split, as g6."
    assert [image.uid for image in caches["val"].skipped] == ["g5"]


def test_images_look_as_they_do_to_the_classifier(tmp_path: Path) -> None:
    """What is not square is padded with black to a square, and EXIF turns a picture upright."""
    wide = np.random.default_rng(0).integers(1, 256, (8, 16, 3), dtype=np.uint8)
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(wide[:, :8]).save(turned, "PNG", exif=exif)
    train = opened(rows(encoded(wide), turned.getvalue()), tmp_path)["train"]
    np.testing.assert_array_equal(train.pixels[0, 4:12], wide)
    assert not train.pixels[0, :4].any() and not train.pixels[0, 12:].any()
    upright = Image.fromarray(wide[::-1, :8][:, ::-1]).resize((16, 16), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(train.pixels[1], upright)


def test_the_cache_is_decoded_once(tmp_path: Path) -> None:
    """A second opening reads the file of the first; new labels need no decoding, and are the new ones."""
    table = rows(*GALAXIES)
    first = opened(table, tmp_path)["train"]
    stamp = (tmp_path / "pixels.u8").stat().st_mtime_ns
    second = opened(table.assign(label="edge_on"), tmp_path)["train"]
    assert (tmp_path / "pixels.u8").stat().st_mtime_ns == stamp
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert (first.classes, second.classes) == (("spiral",), ("edge_on",))


def test_the_cache_follows_its_images(tmp_path: Path) -> None:
    """Other images, files, splits or sizes are decoded anew, while an open cache keeps what it had."""
    path = tmp_path / "galaxy.webp"
    path.write_bytes(GALAXIES[0])
    table = rows(str(path), GALAXIES[1])
    first = opened(table, tmp_path / "cache")["train"]
    before = np.array(first.pixels)
    path.write_bytes(GALAXIES[2])
    second = opened(table, tmp_path / "cache")["train"]
    assert not np.array_equal(second.pixels[0], before[0])
    np.testing.assert_array_equal(first.pixels, before)
    assert opened(table, tmp_path / "cache", size=8)["train"].pixels.shape == (2, 8, 8, 3)
    moved = opened(table.assign(split=["train", "val"]), tmp_path / "cache")
    assert {name: cache.uids for name, cache in moved.items()} == {"train": ("g0",), "val": ("g1",)}
    path.unlink()
    assert opened(table, tmp_path / "cache")["train"].uids == ("g1",)
    (tmp_path / "cache" / "pixels.u8").write_bytes(b"cut off")
    assert opened(table, tmp_path / "cache")["train"].pixels.shape == (1, 16, 16, 3)


def test_the_version_tells_data_apart(tmp_path: Path) -> None:
    """The version follows uids, split, labels, targets and images, and nothing else."""
    task = Task("t", "label", (), questions=(("a", "b"),))
    table = rows(*GALAXIES[:3]).assign(a=[0.25, np.nan, 1.0], b=0.5)

    def version(changed: pd.DataFrame, size: int = 16) -> str:
        [cache] = opened(changed, tmp_path, task, size).values()
        return cache.version

    base = version(table)
    assert len(base) == 16 and int(base, 16)
    assert version(table.iloc[::-1]) == version(table, size=8) == base
    others = [
        table.assign(uid=["g0", "g1", "g9"]),
        table.assign(split="val"),
        table.assign(label=["spiral", "spiral", None]),
        table.assign(a=[0.25, 0.0, 1.0]),
        table.assign(image=[*GALAXIES[:2], GALAXIES[4]]),
        table.iloc[:2],
    ]
    assert len({base, *map(version, others)}) == len(others) + 1


def test_an_interrupted_build_is_never_taken_for_whole(tmp_path: Path) -> None:
    """A process killed while it decodes leaves nothing that the next opening believes, and spoils nothing older."""
    few, many = rows(*GALAXIES), rows(*GALAXIES * 200)
    older = opened(few, tmp_path, size=448)["train"]
    part = tmp_path / "pixels.u8.part"
    build = multiprocessing.get_context("fork").Process(target=opened, args=(many, tmp_path, OWN, 448))
    build.start()
    while not (part.exists() and part.stat().st_size):
        assert build.is_alive()
        time.sleep(0.01)
    build.kill()
    build.join()
    assert part.stat().st_size < len(many) * 448 * 448 * 3
    np.testing.assert_array_equal(opened(few, tmp_path, size=448)["train"].pixels, older.pixels)
    assert len(opened(many.iloc[:300], tmp_path, size=448)["train"].pixels) == 300


def test_two_processes_do_not_build_at_once(tmp_path: Path) -> None:
    """Who opens a cache while another makes it waits, and then finds it made."""
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        other = threading.Thread(target=opened, args=(rows(*GALAXIES), tmp_path))
        other.start()
        other.join(0.5)
        assert other.is_alive() and not (tmp_path / "index.json").exists()
    other.join(30)
    assert (tmp_path / "index.json").exists()
