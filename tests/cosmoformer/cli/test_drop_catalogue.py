"""``cosmoformer drop --catalogue``: what a table tells of the files stands with them in a real store."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from cosmoformer.images.sky import NOWHERE
from cosmoformer.storage.sky_objects import Known, member, of_metadata, read
from cosmoformer.storage.store import Store
from tests.cosmoformer.cli.conftest import Cli
from tests.cosmoformer.sample_results import classified_result, put_results


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images."""
    folder = tmp_path / "night"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.png").write_bytes(f"content of {name}".encode())
    return folder


@pytest.fixture
def drop(cli: Cli, store: Store) -> Cli:
    """The command line at the store's buckets."""
    return cli.at(store.settings)


def table(folder: Path, text: str) -> Path:
    """A catalogue beside the folder."""
    path = folder.parent / "objects.csv"
    path.write_text(text, encoding="utf-8")
    return path


def known(store: Store) -> dict[str, Known]:
    """What the store's metadata tell, by object key."""
    listed = store.list(store.settings.images_bucket)
    return {info.key: of_metadata(store.head_image(info.key).metadata).known for info in listed}


def test_rows_become_metadata_of_their_files(drop: Cli, store: Store, folder: Path) -> None:
    """Also text beyond ASCII, which headers have not, comes back from the store as it was."""
    objects = table(
        folder, "file,Object_ID,RAJ2000,DEJ2000,survey\na.png,Käse 宇宙 №1,10.5,-20,=?x\nb.png,007,1,2,SDSS\n"
    )
    columns = ("--column", "ra=RAJ2000", "--column", "dec=DEJ2000")
    result = drop("drop", folder, "--catalogue", objects, *columns)
    assert result.exit_code == 0, result.output
    assert result.stdout == (
        "3 dropped, 0 told anew, 0 skipped, 0 failed\ncatalogue: 2 files known, 1 × file without a row\n"
    )
    assert f"catalogue: file without a row: {folder}/c.png\n" in result.stderr
    assert known(store) == {
        "a.png": {"object_id": "Käse 宇宙 №1", "ra": 10.5, "dec": -20, "survey": "=?x"},
        "b.png": {"object_id": "007", "ra": 1, "dec": 2, "survey": "SDSS"},
        "c.png": {},
    }


def test_files_that_the_bucket_has_are_told_anew(drop: Cli, store: Store, folder: Path) -> None:
    """Only where the catalogue says something else; bytes, media type and others' metadata stay."""
    bucket = store.settings.images_bucket
    drop("drop", folder)
    store.client.put_object(
        Bucket=bucket, Key="b.png", Body=b"content of b", Metadata={"mode": "33188", "survey": "old", "zoom": "2"}
    )
    objects = table(folder, "file,survey\na.png,SDSS\nb.png,SDSS\n")
    first = drop("drop", folder, "--catalogue", objects)
    assert (first.exit_code, first.stdout.splitlines()[0]) == (0, "0 dropped, 2 told anew, 1 skipped, 0 failed")
    assert known(store) == {"a.png": {"survey": "SDSS"}, "b.png": {"survey": "SDSS"}, "c.png": {}}
    head = store.client.head_object(Bucket=bucket, Key="b.png")
    assert (head["Metadata"], head["ContentType"]) == ({"mode": "33188", "survey": "SDSS"}, "image/png")
    assert store.read_image("b.png")[1] == b"content of b"
    again = drop("drop", folder, "--catalogue", objects)
    assert again.stdout.splitlines()[0] == "0 dropped, 0 told anew, 3 skipped, 0 failed"
    drop("drop", folder)
    assert known(store)["a.png"] == {"survey": "SDSS"}, "a drop without a catalogue takes nothing back"


def test_nothing_is_told_where_strangers_upload(drop: Cli, store: Store, folder: Path) -> None:
    """It would count for nothing; the images are dropped and named, and not waited for in vain."""
    objects = table(folder, "file,survey\na.png,SDSS\n")
    put_results(store, *(classified_result(f"uploads/{name}.png", f"content of {name}".encode()) for name in "abc"))
    result = drop("drop", folder, "--prefix", "uploads/", "--catalogue", objects, "--wait")
    assert result.exit_code == 0, result.output
    assert "catalogue: 0 files known, 2 × file without a row, 1 × file below uploads/, of which nothing is told" in (
        result.stdout
    )
    assert "catalogue: file below uploads/, of which nothing is told: uploads/a.png\n" in result.stderr
    assert known(store)["uploads/a.png"] == {}


def test_an_image_that_was_replaced_meanwhile_is_not_told(store: Store) -> None:
    """What is told of one image is never written beside another."""
    bucket = store.settings.images_bucket
    store.write(bucket, "a.png", b"one", "image/png")
    there = store.head_image("a.png")
    store.write(bucket, "a.png", b"another", "image/png")
    assert not store.write_metadata(there, "image/png", {"survey": "SDSS"})
    assert known(store) == {"a.png": {}}
    assert store.write_metadata(store.head_image("a.png"), "image/png", {"survey": "SDSS"})
    assert known(store) == {"a.png": {"survey": "SDSS"}}


def test_a_catalogue_that_is_wrong_costs_no_image(drop: Cli, store: Store, folder: Path) -> None:
    """What is wrong is named and counted; whatever is right is told."""
    text = "file,ra,dec,survey\na.png,400,1,SDSS\nb.png,1,2,x\nb.png,3,4,x\nd.png,1,2,x\n"
    result = drop("drop", folder, "--catalogue", table(folder, text))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "3 dropped, 0 told anew, 0 skipped, 0 failed"
    counted = result.stdout.splitlines()[1]
    for kind in (
        "1 files known",
        "2 × told wrongly",
        "1 × row without a file",
        "1 × file with several rows",
        "1 × file without a row",
    ):
        assert kind in counted, counted
    assert "catalogue: told wrongly: row 1, a.png: ra: expected degrees from 0 to below 360, got '400'" in result.stderr
    assert known(store) == {"a.png": {"survey": "SDSS"}, "b.png": {}, "c.png": {}}


def test_without_the_column_of_files_images_are_dropped_all_the_same(drop: Cli, store: Store, folder: Path) -> None:
    """The end says what was expected and what there is, and the exit status is 1."""
    result = drop("drop", folder, "--catalogue", table(folder, "name,ra\na.png,1\n"))
    assert result.exit_code == 1
    assert "objects.csv has no column file or filename or image or path or key, but name, ra" in result.stderr
    assert result.stdout.startswith("3 dropped, ") and len(known(store)) == 3


@pytest.mark.parametrize(
    "options", [["--file-column", "x"], ["--column", "ra=x"], ["--catalogue", "{}", "--column", "right=x"]]
)
def test_options_that_do_not_go_together_drop_nothing(
    drop: Cli, store: Store, folder: Path, options: list[str]
) -> None:
    """A typing error costs nothing."""
    objects = table(folder, "file\n")
    assert drop("drop", folder, *(option.format(objects) for option in options)).exit_code == 2
    assert known(store) == {}


def test_wait_ends_with_results_that_know_what_was_told(drop: Cli, store: Store, folder: Path) -> None:
    """A result of the same bytes that does not know the object yet does not count."""
    result = classified_result("a.png", b"content of a")
    put_results(store, result)

    def judge_again() -> None:
        time.sleep(1)
        put_results(store, result | {"object": member(read({"survey": "SDSS"}), NOWHERE, {})})

    drop("drop", folder / "a.png")
    judging = threading.Thread(target=judge_again)
    judging.start()
    catalogue = table(folder, "file,survey\na.png,SDSS\n")
    begun = time.monotonic()
    assert drop("drop", folder / "a.png", "--catalogue", catalogue, "--wait").exit_code == 0
    judging.join()
    assert time.monotonic() - begun >= 0.9
