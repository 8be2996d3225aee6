"""``cosmoformer drop`` into a real store."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.served_models import settings_for
from cosmoformer.storage import waiting
from cosmoformer.storage.store import Store
from tests.cosmoformer.cli.conftest import Cli
from tests.cosmoformer.sample_results import classified_result, put_results


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images."""
    for name in ("a.jpg", "b.png", "deep/ä +%20.fits"):
        file = tmp_path / "night" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(f"content of {name}".encode())
    return tmp_path / "night"


@pytest.fixture
def drop(cli: Cli, store: Store) -> Cli:
    """The command line at the store's buckets."""
    return cli.at(store.settings)


def stored(store: Store) -> dict[str, bytes | None]:
    listed = store.list(store.settings.images_bucket)
    return {info.key: store.read_image(info.key)[1] for info in listed}


def test_a_folder_is_dropped_under_a_prefix(drop: Cli, store: Store, folder: Path) -> None:
    """Every image arrives byte for byte, under prefix and relative path, with its media type."""
    result = drop("drop", folder, "--prefix", "n1/")
    assert (result.exit_code, result.stdout) == (0, "3 dropped, 0 skipped, 0 failed\n")
    contents = {f"n1/{file.relative_to(folder)}": file.read_bytes() for file in folder.rglob("*.*")}
    assert stored(store) == contents
    head = store.client.head_object(Bucket=store.settings.images_bucket, Key="n1/deep/ä +%20.fits")
    assert head["ContentType"] == "image/fits"


@pytest.mark.parametrize("name", ["odd\x01.png", "\ufffe.png", "c\r\n.png"])
def test_a_file_with_an_odd_name_is_dropped_among_others(drop: Cli, store: Store, folder: Path, name: str) -> None:
    """Also a name that no listing repeats as it is ends nothing; it is found again, too."""
    (folder / name).write_bytes(b"odd")
    assert drop("drop", folder).stdout == "4 dropped, 0 skipped, 0 failed\n"
    assert stored(store)[name] == b"odd"
    assert drop("drop", folder).stdout == "0 dropped, 4 skipped, 0 failed\n"


def test_dropping_again_uploads_only_what_is_missing_or_changed(drop: Cli, store: Store, folder: Path) -> None:
    """An interrupted drop is completed by saying it again; equal length alone does not make a file equal."""
    drop("drop", folder)
    written = {info.key: info.last_modified for info in store.list(store.settings.images_bucket)}
    store.delete(store.settings.images_bucket, "b.png")
    (folder / "a.jpg").write_bytes(b"CONTENT of a.jpg")
    time.sleep(1.1)  # the store's clock ticks in seconds
    assert drop("drop", folder).stdout == "2 dropped, 1 skipped, 0 failed\n"
    assert stored(store)["a.jpg"] == b"CONTENT of a.jpg"
    again = {info.key: info.last_modified for info in store.list(store.settings.images_bucket)}
    assert [key for key in written if written[key] == again[key]] == ["deep/ä +%20.fits"]


def test_many_files_are_compared_with_one_listing(drop: Cli, store: Store, tmp_path: Path) -> None:
    """More files than are looked up one by one are dropped, and skipped the second time, all the same."""
    for number in range(130):
        (tmp_path / f"{number:03}.png").write_bytes(b"%d" % number)
    assert drop("drop", tmp_path, "--prefix", "many/").stdout == "130 dropped, 0 skipped, 0 failed\n"
    assert drop("drop", tmp_path, "--prefix", "many/").stdout == "0 dropped, 130 skipped, 0 failed\n"


def test_each_file_that_fails_is_named_with_its_reason(drop: Cli, store: Store, folder: Path) -> None:
    """The others are dropped, and the exit status is 1."""
    (folder / "big.png").write_bytes(b"x" * 101)
    (folder / "link.png").symlink_to(folder / "nowhere")
    result = drop("drop", folder, MAX_IMAGE_BYTES="100")
    assert result.exit_code == 1
    assert result.stdout == "3 dropped, 0 skipped, 2 failed\n"
    assert f"failed: {folder}/big.png: it has 101 bytes; at most 100 are classified" in result.stderr
    assert f"failed: {folder}/link.png: No such file or directory" in result.stderr
    assert result.stderr.endswith("error: 2 of 5 files were not dropped / Each is named above\n")
    assert len(stored(store)) == 3


def test_what_is_left_out_is_named_and_counted(drop: Cli, store: Store, folder: Path) -> None:
    """Files that are no images by their names are no failure, but nothing is left out in silence."""
    for number in range(25):
        (folder / f"log-{number:02}.txt").write_bytes(b"x")
    result = drop("drop", folder)
    assert (result.exit_code, result.stdout) == (0, "3 dropped, 0 skipped, 0 failed, 25 left out\n")
    assert f"left out: {folder}/log-00.txt: its name has no suffix of an image\n" in result.stderr
    assert "left out: 5 more: 5 with .txt\n" in result.stderr


def test_a_pipe_is_named_and_not_waited_for(drop: Cli, store: Store, folder: Path) -> None:
    """Something in a folder that is no file fails by name; the others are dropped."""
    os.mkfifo(folder / "pipe.jpg")
    result = drop("drop", folder)
    assert (result.exit_code, result.stdout) == (1, "3 dropped, 0 skipped, 1 failed\n")
    assert f"failed: {folder}/pipe.jpg: it is no file but a pipe" in result.stderr


def test_two_files_with_one_key_are_not_written_over_each_other(drop: Cli, store: Store, folder: Path) -> None:
    """The first is dropped, the second is named as failed."""
    (folder / "deep" / "a.jpg").write_bytes(b"another")
    result = drop("drop", folder, folder / "deep")
    assert result.exit_code == 0, "both words name the same file, which has one key"
    result = drop("drop", folder / "a.jpg", folder / "deep" / "a.jpg", "--prefix", "x/")
    assert result.exit_code == 1
    assert f"{folder}/a.jpg has the same object key 'x/a.jpg'" in result.stderr
    assert stored(store)["x/a.jpg"] == b"content of a.jpg"


def test_a_key_that_no_store_can_hold_fails_by_name(drop: Cli, folder: Path) -> None:
    """Names that are not UTF-8, and keys of more than 1,024 bytes, are refused here."""
    odd = os.fsencode(folder) + b"/\xff.jpg"
    Path(os.fsdecode(odd)).write_bytes(b"x")
    result = drop("drop", folder)
    assert "its name is not UTF-8" in result.stderr
    assert result.stdout == "3 dropped, 0 skipped, 1 failed\n"
    assert "1024 are allowed" in drop("drop", folder / "a.jpg", "--prefix", "x" * 1020).stderr


def test_keys_outside_the_images_prefix_are_refused(drop: Cli, store: Store, folder: Path) -> None:
    """What nobody would classify is not uploaded."""
    result = drop("drop", folder / "a.jpg", IMAGES_PREFIX="survey/")
    assert result.exit_code == 1
    assert "does not start with IMAGES_PREFIX 'survey/'" in result.stderr
    assert drop("drop", folder / "a.jpg", "--prefix", "survey/", IMAGES_PREFIX="survey/").exit_code == 0


def test_nothing_is_uploaded_when_a_word_names_nothing(drop: Cli, store: Store, folder: Path) -> None:
    """A typing error costs nothing."""
    assert drop("drop", folder, "nothing-here").exit_code == 2
    assert stored(store) == {}


def test_a_missing_bucket_is_one_line(drop: Cli, folder: Path) -> None:
    """A store that refuses everything is told of once, not for every file."""
    result = drop("drop", folder, IMAGES_BUCKET="no-such-bucket")
    assert result.exit_code == 1
    assert len(result.stderr.strip().splitlines()) == 1 and "IMAGES_BUCKET" in result.stderr


def test_wait_ends_with_the_results_of_what_was_dropped(drop: Cli, store: Store, folder: Path) -> None:
    """--wait shows the results of these very images: one of an earlier image under the same key does not count."""
    put_results(store, classified_result("a.jpg", b"an earlier image", {"edge_on": 0.8, "spiral": 0.2}))
    contents = {"a.jpg": b"content of a.jpg", "b.png": b"content of b.png"}

    def classify() -> None:
        for key, content in contents.items():
            time.sleep(1)
            put_results(store, classified_result(key, content))

    classifying = threading.Thread(target=classify)
    classifying.start()
    result = drop("drop", folder / "b.png", folder / "a.jpg", "--wait")
    classifying.join()
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    assert [row[:2] for row in rows[2:]] == [["a.jpg", "spiral"], ["b.png", "spiral"]]


def test_wait_names_what_goes_meanwhile(drop: Cli, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that is deleted while its result is waited for is named at the end, behind the results of the others."""
    monkeypatch.setattr(waiting, "_LOOKS", 2)

    def change() -> None:
        time.sleep(1)
        store.delete(store.settings.images_bucket, "a.jpg")
        put_results(store, classified_result("b.png", b"content of b.png"))

    changing = threading.Thread(target=change)
    changing.start()
    result = drop("drop", folder / "b.png", folder / "a.jpg", "--wait")
    changing.join()
    assert [line.split()[0] for line in result.stdout.splitlines()[2:]] == ["b.png"]
    assert "no result: a.jpg: the image was deleted, or replaced by another file meanwhile\n" in result.stderr
    assert (result.exit_code, "error: 1 of 2 images can have no result any more" in result.stderr) == (1, True)


def test_wait_shows_what_further_models_say(drop: Cli, store: Store, folder: Path, registry: Registry) -> None:
    """In columns of their own, as `cosmoformer results` does."""
    second = registry.settings.model_name
    register(registry, b"a model", tags={}, alias="champion")
    put_results(store, classified_result("a.jpg", b"content of a.jpg"))
    hue = Store(settings_for(store.settings, second))
    later = threading.Timer(3.0, put_results, (hue, classified_result("a.jpg", b"content of a.jpg")))
    later.start()
    served = {"SERVED_MODELS": second, "MLFLOW_TRACKING_URI": registry.settings.mlflow_tracking_uri, "COLUMNS": "200"}
    result = drop("drop", folder / "a.jpg", "--wait", **served)
    later.join()
    assert result.exit_code == 0, result.output
    head, row = result.stdout.splitlines()[1:3]
    assert head.split()[-1] == second and row.split().count("spiral") == 2
