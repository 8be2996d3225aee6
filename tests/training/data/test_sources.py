"""Every source gives the one catalogue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.training.galaxies import CLEAN5, OWN, picture, small_catalogue
from training.data.catalogue import split_of
from training.data.sources import gz2, open_catalogue
from training.data.splits import open_splits
from training.tasks import TASKS, Task

GZ2 = TASKS["gz2"]
SHARED = Path(__file__).parents[4] / "shared" / "data"


def write(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture("two_armed_spiral", seed, "jpg"))


def test_parquet_files_are_read_in_order_with_the_votes_they_have(tmp_path: Path) -> None:
    """Files of a folder make one catalogue; votes that one of them lacks are unknown there."""
    small_catalogue(tmp_path, per_class=2, votes=True)
    more = pd.read_parquet(tmp_path / "gz_challenge-small.parquet")[["uid", "split", "image", "clean5"]]
    more.assign(uid="more-" + more["uid"]).to_parquet(tmp_path / "gz_challenge-more.parquet")
    table = open_catalogue(tmp_path, CLEAN5)
    assert list(table.columns) == ["uid", "galaxy", "split", "label", "image", *CLEAN5.targets]
    assert table["uid"].str.startswith("more-").tolist() == [True] * 10 + [False] * 10
    assert table["Class1.1"].isna().tolist() == [True] * 10 + [number % 5 == 0 for number in range(10)]
    assert all(isinstance(image, bytes) for image in table["image"])


def test_images_as_the_hub_has_them(tmp_path: Path) -> None:
    """A struct of bytes and path, as Hugging Face's datasets writes images; without bytes the path counts, without both none."""
    small_catalogue(tmp_path, per_class=1)
    file = tmp_path / "gz_challenge-small.parquet"
    rows = pd.read_parquet(file)
    encoded = rows["image"].tolist()
    (tmp_path / "4.webp").write_bytes(encoded[4])
    paths = [{"bytes": image, "path": f"{number}.webp"} for number, image in enumerate(encoded[:3])]
    rows["image"] = [*paths, None, {"bytes": None, "path": "4.webp"}]
    rows.to_parquet(file)
    assert open_catalogue(tmp_path, CLEAN5)["image"].tolist() == [*encoded[:3], None, str(tmp_path / "4.webp")]
    train = open_splits(CLEAN5, tmp_path, tmp_path / "cache", 16, ("train",))["train"]
    assert (len(train.labels), [image.reason for image in train.skipped]) == (4, ["It has no image."])


@pytest.mark.parametrize(
    ("image", "kind"), [("1.jpg", ".*string"), ([1, 2], "list<.*int64>"), ({"path": "1.jpg"}, "struct")]
)
def test_a_column_of_other_images_is_refused(tmp_path: Path, image: object, kind: str) -> None:
    """Neither paths nor pixels are encoded files; the message names the file, the column and what it holds."""
    small_catalogue(tmp_path, per_class=1)
    file = tmp_path / "gz_challenge-small.parquet"
    pd.read_parquet(file).assign(image=[image] * 5).to_parquet(file)
    with pytest.raises(ValueError, match=rf"small\.parquet, column image: expected encoded image files.*, got {kind}"):
        open_catalogue(tmp_path, CLEAN5)


def test_a_parquet_file_without_the_label_column_says_what_it_has(tmp_path: Path) -> None:
    """A task on another task's files names the missing column and those there are."""
    small_catalogue(tmp_path, per_class=1)
    with pytest.raises(ValueError, match=r"no columns \['label'\]; the task own needs.*'clean5'"):
        open_catalogue(tmp_path, OWN)


def test_a_task_without_classes_needs_no_labels(tmp_path: Path) -> None:
    """Files of parquet and CSV are read without their column of labels, or as if it were not there."""
    votes = TASKS["gz2_votes"]
    small_catalogue(tmp_path / "parquet", per_class=4, votes=True)
    file = tmp_path / "parquet" / "gz_challenge-small.parquet"
    pd.read_parquet(file).drop(columns="clean5").to_parquet(file)
    table = open_catalogue(tmp_path / "parquet", votes)
    assert table["label"].isna().all() and votes.judged(table).sum() == 16
    write(tmp_path / "0.jpg")
    (tmp_path / "votes.csv").write_text("path,label,Class1.1\n0.jpg,whatever,0.5\n")
    table = open_catalogue(tmp_path / "votes.csv", votes)
    assert table["label"].isna().all() and table["Class1.1"].tolist() == [0.5]
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="that have the columns uid, image and vote fractions"):
        open_catalogue(tmp_path / "empty", votes)


def test_class_folders(tmp_path: Path) -> None:
    """A folder for each class with all below it; other files are no images, nor is what is hidden."""
    for seed in range(3):
        write(tmp_path / "spiral" / f"{seed}.jpg", seed)
    write(tmp_path / "edge_on" / "0.JPG")
    (tmp_path / "spiral" / "notes.txt").write_text("no image")
    write(tmp_path / "spiral" / "more" / "3.jpg", 3)
    write(tmp_path / "spiral" / ".cache" / "4.jpg", 4)
    table = open_catalogue(tmp_path, OWN)
    assert table["uid"].tolist() == ["edge_on/0.JPG", *(f"spiral/{name}.jpg" for name in (0, 1, 2, "more/3"))]
    assert table["label"].tolist() == ["edge_on", "spiral", "spiral", "spiral", "spiral"]
    assert all(Path(image).is_file() for image in table["image"])
    with pytest.raises(ValueError, match=r"unknown labels \['edge_on'\].*allowed are \['spiral'\]"):
        open_catalogue(tmp_path, OWN.with_classes(["spiral"]))


def test_class_folders_below_splits(tmp_path: Path) -> None:
    """Splits that stand as folders are kept, and folders beside them are refused."""
    for seed, split in enumerate(("train", "val", "test")):
        write(tmp_path / split / "spiral" / "1.jpg", seed)
    table = open_catalogue(tmp_path, OWN)
    assert dict(zip(table["uid"], table["split"], strict=True)) == {
        f"{split}/spiral/1.jpg": split for split in ("train", "val", "test")
    }
    assert set(table["label"]) == {"spiral"}
    (tmp_path / "more").mkdir()
    with pytest.raises(ValueError, match=r"\['test', 'train', 'val'\], beside others, \['more'\]"):
        open_catalogue(tmp_path, OWN)


def test_splits_as_folders_have_their_names_elsewhere_too(tmp_path: Path) -> None:
    """Folders that are called after splits as others call them are no classes."""
    for seed, split in enumerate(("Train", "Validation", "testing")):
        write(tmp_path / split / "spiral" / "1.jpg", seed)
    table = open_catalogue(tmp_path, OWN)
    assert dict(zip(table["uid"], table["split"], strict=True)) == {
        "Train/spiral/1.jpg": "train",
        "Validation/spiral/1.jpg": "val",
        "testing/spiral/1.jpg": "test",
    }
    assert set(table["label"]) == {"spiral"}


def test_a_class_folder_without_an_image_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It would be missing from the classes without a word; hidden folders are none."""
    write(tmp_path / "spiral" / "1.jpg")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "merger").mkdir()
    (tmp_path / "merger" / "1.xcf").write_bytes(b"of no suffix that is read")
    open_catalogue(tmp_path, OWN)
    assert caplog.messages == [f"no image stands in {tmp_path / 'merger'}, so no galaxy has that class there"]


def test_a_table_of_paths_and_labels(tmp_path: Path) -> None:
    """Paths are relative to the CSV; optional columns are taken as they are, and identifiers stay text."""
    task = Task("t", "label", (), questions=(("round", "flat"),))
    (tmp_path / "galaxies.csv").write_text(
        "path,label,uid,galaxy,split,round\nimages/a.jpg,spiral,007,m51,train,0.5\nimages/b.jpg,,008,m51,train,\n"
    )
    (tmp_path / "none.csv").write_text("path,label\na.jpg,None\nb.jpg,NA\n")
    assert open_catalogue(tmp_path / "none.csv", OWN)["label"].tolist() == ["None", "NA"]
    table = open_catalogue(tmp_path / "galaxies.csv", task)
    assert table.drop(columns=["round", "flat"]).to_dict("records") == [
        {"uid": "007", "galaxy": "m51", "split": "train", "label": "spiral", "image": str(tmp_path / "images/a.jpg")},
        {"uid": "008", "galaxy": "m51", "split": "train", "label": None, "image": str(tmp_path / "images/b.jpg")},
    ]
    np.testing.assert_array_equal(table[["round", "flat"]], [[0.5, np.nan], [np.nan, np.nan]])


def test_a_table_needs_no_more_than_paths_and_labels(tmp_path: Path) -> None:
    """The path is the identifier where there is no other; without a path column the message says what came."""
    (tmp_path / "galaxies.csv").write_text("path,label\na.jpg,spiral\n")
    assert open_catalogue(tmp_path / "galaxies.csv", OWN)["uid"].tolist() == ["a.jpg"]
    (tmp_path / "galaxies.csv").write_text("file,label\na.jpg,spiral\n")
    with pytest.raises(ValueError, match=r"no columns \['path'\].*got \['file', 'label'\]"):
        open_catalogue(tmp_path / "galaxies.csv", OWN)


def test_gaps_in_a_table_stop_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A row without a path is left out and named by its place; one without a split gets one, one without a uid its path."""
    for seed in range(3):
        write(tmp_path / f"{seed}.jpg", seed)
    lines = [
        "path,label,split,uid",
        "0.jpg,spiral,train,a",
        "1.jpg,merger,train,",
        ",spiral,train,",
        "2.jpg,merger,,m4",
    ]
    (tmp_path / "galaxies.csv").write_text("\n".join(lines))
    table = open_catalogue(tmp_path / "galaxies.csv", OWN)
    assert table["uid"].tolist() == ["a", "1.jpg", "row 2", "m4"]
    assert table["split"].tolist() == ["train", "train", "train", "test"]
    train = open_splits(OWN, tmp_path / "galaxies.csv", tmp_path / "cache", 16, ("train",))["train"]
    assert train.uids == ("a", "1.jpg")
    assert "1 of 3 images of the train split are skipped: row 2 (uid row 2): It has no image." in caplog.text
    (tmp_path / "galaxies.csv").write_text("\n".join(line.rpartition(",")[0] for line in lines))
    assert open_catalogue(tmp_path / "galaxies.csv", OWN)["uid"].tolist() == ["0.jpg", "1.jpg", "row 2", "2.jpg"]


def test_a_parquet_file_may_lack_the_splits_of_another(tmp_path: Path) -> None:
    """Its galaxies are distributed, and those of the other stay where they are."""
    small_catalogue(tmp_path, per_class=2)
    first = pd.read_parquet(tmp_path / "gz_challenge-small.parquet")
    more = first.drop(columns="split").assign(uid="more-" + first["uid"])
    more.to_parquet(tmp_path / "gz_challenge-more.parquet")
    table = open_catalogue(tmp_path, CLEAN5)
    assert table["split"].tolist() == [*map(split_of, more["uid"]), *first["split"]]


@pytest.mark.parametrize("name", ["nothing", "empty", "notes.txt"])
def test_what_is_no_source_says_what_is(tmp_path: Path, name: str) -> None:
    """A path where no data stand is answered with what is accepted."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(FileNotFoundError, match=r"CSV file.*parquet files gz2-\*\.parquet.*summary.*for each class"):
        open_catalogue(tmp_path / name, GZ2)


def test_folders_without_images_are_refused(tmp_path: Path) -> None:
    """A folder of empty folders is no data."""
    (tmp_path / "spiral").mkdir()
    with pytest.raises(FileNotFoundError, match="folder for each class"):
        open_catalogue(tmp_path, OWN)


def test_galaxy_zoo_2_is_partitioned_as_in_the_thesis() -> None:
    """167,434 and 41,859 galaxies become 125,575, 41,859 and 41,859, by the draw that the thesis makes."""
    train, test = (
        pd.DataFrame({"id_str": np.arange(count) + start, "img_path": "x.jpg", "summary": None})
        for count, start in ((167_434, 0), (41_859, 10**6))
    )
    parts = gz2.partition(train, test)
    assert {split: len(part) for split, part in parts.items()} == {"train": 125_575, "val": 41_859, "test": 41_859}
    order = np.random.RandomState(42).permutation(167_434)
    assert parts["val"]["uid"].tolist() == [str(number) for number in order[:41_859]]
    assert parts["train"]["uid"].tolist() == [str(number) for number in order[41_859:]]
    assert parts["test"]["uid"].tolist() == test["id_str"].astype(str).tolist()


@pytest.fixture
def gz2_root(tmp_path: Path) -> Path:
    """Twenty galaxies in the layout that galaxy-datasets writes; every fourth has no summary."""
    generator = np.random.default_rng(0)
    for name, count in (("train", 16), ("test", 4)):
        identifiers = [str(587722981741363294 + int(number)) for number in generator.integers(0, 10**9, count)]
        rows = pd.DataFrame(
            {
                "id_str": identifiers,
                "subfolder": [identifier[:6] for identifier in identifiers],
                "filename": [f"{identifier}.jpg" for identifier in identifiers],
                "summary": [None if number % 4 == 0 else "barred_spiral" for number in range(count)],
            }
        )
        rows.to_parquet(tmp_path / f"gz2_{name}_catalog.parquet", index=False)
        for seed, (folder, file) in enumerate(zip(rows["subfolder"], rows["filename"], strict=True)):
            write(tmp_path / "images" / folder / file, seed + 100 * count)
    return tmp_path


def test_galaxy_zoo_2_through_galaxy_datasets(gz2_root: Path) -> None:
    """galaxy-datasets' catalogues are divided, written as partitions, and read from those the next time."""
    pytest.importorskip("galaxy_datasets", reason="galaxy-datasets is not installed (pip install 'cosmoformer[gz2]')")
    caches = open_splits(GZ2, gz2_root, gz2_root / "cache", 16, ("train", "val", "test"))
    assert {split: len(cache.labels) for split, cache in caches.items()} == {"train": 12, "val": 4, "test": 4}
    labels = np.concatenate([cache.labels for cache in caches.values()])
    assert np.unique(labels, return_counts=True)[1].tolist() == [15, 5]
    assert {GZ2.classes[label] for label in labels} == {"barred_spiral", "irregular"}
    assert list(pd.read_parquet(gz2_root / "validation.parquet").columns) == ["uid", "img_path", "label"]
    for name in (gz2.TRAIN_CATALOGUE, gz2.TEST_CATALOGUE):
        (gz2_root / name).unlink()
    again = open_splits(GZ2, gz2_root, gz2_root / "cache", 16, ("train", "val", "test"))
    assert {split: cache.version for split, cache in again.items()} == {
        split: cache.version for split, cache in caches.items()
    }


def test_undecided_galaxies_can_be_left_out(gz2_root: Path) -> None:
    """Without the class irregular its galaxies are dropped, and the others stay in their splits."""
    pytest.importorskip("galaxy_datasets", reason="galaxy-datasets is not installed (pip install 'cosmoformer[gz2]')")
    everything = open_catalogue(gz2_root, GZ2).set_index("uid")
    decided = open_catalogue(gz2_root, TASKS["gz2_decided"]).set_index("uid")
    assert decided["split"].equals(everything["split"][everything["label"] == "barred_spiral"])
    assert len(decided) == 15


def test_the_thesis_own_partitions_are_read(tmp_path: Path) -> None:
    """Its files have only paths and labels; an image's path is its identifier."""
    for name, folder in (("train", "train"), ("validation", "validation"), ("test", "test")):
        table = pd.DataFrame({"img_path": [f"{folder}/0_{folder}.jpg"], "label": ["smooth_round"]})
        table.to_parquet(tmp_path / f"{name}.parquet", index=False)
    table = open_catalogue(tmp_path, GZ2)
    assert table["uid"].tolist() == ["train/0_train.jpg", "validation/0_validation.jpg", "test/0_test.jpg"]
    assert table["split"].tolist() == ["train", "val", "test"]


def test_half_a_download_is_explained(gz2_root: Path) -> None:
    """A catalogue that is not there is named, with the command that fetches it."""
    pytest.importorskip("galaxy_datasets", reason="galaxy-datasets is not installed (pip install 'cosmoformer[gz2]')")
    (gz2_root / gz2.TEST_CATALOGUE).unlink()
    with pytest.raises(FileNotFoundError, match=r"gz2_test_catalog\.parquet.*python -m training\.download_gz2"):
        open_catalogue(gz2_root, GZ2)


def test_the_real_catalogue_is_read_whole() -> None:
    """The Galaxy Zoo Challenge's files have the published sample, with votes, and no galaxy in two splits."""
    if not SHARED.exists():
        pytest.skip("the labelled survey images are not at hand (../shared/data)")
    table = open_catalogue(SHARED, CLEAN5)
    assert (len(table), table["label"].notna().sum()) == (30_242, 27_348)
    assert table["Class1.1"].notna().any()


@pytest.mark.parametrize(("task", "galaxies", "labelled"), [("soliao8", 1063, 814), ("galaxy10", 999, 999)])
def test_other_real_catalogues_are_read_whole(task: str, galaxies: int, labelled: int) -> None:
    """Files of other tasks lie beside each other; each finds its own, and every label is one of its classes."""
    if not SHARED.exists():
        pytest.skip("the labelled survey images are not at hand (../shared/data)")
    table = open_catalogue(SHARED, TASKS[task])
    assert (len(table), table["label"].notna().sum()) == (galaxies, labelled)
    assert set(table["label"].dropna()) == set(TASKS[task].classes)
