"""Which files a word of the command line names, and the keys they get."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import pytest

from cosmoformer.errors import InvalidRequest
from cosmoformer.images.formats import MEDIA_TYPES
from cosmoformer.storage.image_files import find_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with images at two depths, and with what is none."""
    for name in (
        "a.jpg",
        "B.FITS",
        "c.fits.gz",
        "notes.txt",
        ".hidden.jpg",
        "deep/d.png",
        "deep/.git/e.png",
        "deep/f[1].tif",
    ):
        file = tmp_path / "night" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    return tmp_path / "night"


def keys(*words: object, prefix: str = "") -> list[str]:
    return [image.key for image in find_images([str(word) for word in words], prefix).files]


def test_of_a_folder_all_images_are_taken_at_any_depth(folder: Path) -> None:
    """Keys are relative to the folder; hidden files and folders, and other files, are left out."""
    assert keys(folder) == ["B.FITS", "a.jpg", "c.fits.gz", "deep/d.png", "deep/f[1].tif"]


def test_keys_begin_with_the_prefix(folder: Path) -> None:
    """The prefix is put in front as it is, without a slash of its own."""
    assert keys(folder / "deep", prefix="n1-") == ["n1-d.png", "n1-f[1].tif"]


def test_a_file_is_taken_whatever_it_is_called(folder: Path) -> None:
    """Who names a file means it; its key is its name."""
    assert keys(folder / "notes.txt", folder / "deep" / "d.png") == ["notes.txt", "d.png"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jpg", ["a.jpg"]),
        ("**/*.png", ["deep/d.png"]),
        ("*/*", ["deep/d.png", "deep/f[1].tif"]),
        ("d*", ["deep/d.png", "deep/f[1].tif"]),
        ("**", ["B.FITS", "a.jpg", "c.fits.gz", "deep/d.png", "deep/f[1].tif"]),
        ("[ab].*", ["a.jpg"]),
    ],
)
def test_a_quoted_pattern_is_expanded(folder: Path, pattern: str, expected: list[str]) -> None:
    """Keys are relative to what stands before the first wildcard, and each file is taken once."""
    assert keys(folder / pattern) == expected


def test_a_name_with_brackets_is_a_name_first(folder: Path) -> None:
    """A file that exists is never taken for a pattern."""
    assert keys(folder / "deep" / "f[1].tif") == ["f[1].tif"]


def test_a_file_that_is_named_twice_is_taken_once(folder: Path) -> None:
    """The first way of naming it gives the key."""
    assert keys(folder / "a.jpg", folder, folder / "a.jpg")[0] == "a.jpg"
    assert len(keys(folder, folder / "deep" / "d.png")) == 5


def test_relative_words_work_from_the_present_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``drop .`` and ``drop 'deep/*'`` do what they say."""
    monkeypatch.chdir(folder)
    assert keys(".") == keys(folder)
    assert keys("deep/*") == ["d.png", "f[1].tif"]


@pytest.mark.parametrize("word", ["nothing", "nothing/*.jpg", "deep/*.jpg", "empty"])
def test_a_word_that_names_nothing_is_a_usage_error(folder: Path, word: str) -> None:
    """A typing error is told before anything is uploaded."""
    (folder / "empty").mkdir()
    with pytest.raises(InvalidRequest, match="is no file"):
        keys(folder, folder / word)


def test_what_is_left_out_is_told(folder: Path) -> None:
    """Files that are no images by their names, hidden ones and links to folders are each told with the reason."""
    (folder / "link").symlink_to(folder / "deep", target_is_directory=True)
    (folder / "no-suffix").write_bytes(b"x")
    found = find_images([str(folder)], "")
    assert {str(path.relative_to(folder)): reason for path, reason in found.left_out.items()} == {
        "notes.txt": "its name has no suffix of an image",
        "no-suffix": "its name has no suffix of an image",
        ".hidden.jpg": "hidden",
        "deep/.git": "hidden",
        "link": "a link to a folder",
    }
    assert not found.unreadable


def test_of_a_pattern_what_is_no_image_is_told(folder: Path) -> None:
    """What matches a pattern and is no image by its name is told, too."""
    assert list(find_images([str(folder / "*")], "").left_out) == [folder / "deep" / ".git", folder / "notes.txt"]


def test_telescopes_files_are_taken(tmp_path: Path) -> None:
    """Every suffix of the one list is taken, in either case."""
    names = [f"a{suffix}" for suffix in MEDIA_TYPES] + ["B.FITS.FZ", "C.Fits.Bz2"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    assert set(keys(tmp_path)) == set(names)


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder of one image, and of a folder that nobody may look into."""
    root = Path(mkdtemp())  # pytest's own folders are closed to the user that root becomes
    (root / "open").mkdir()
    (root / "shut").mkdir()
    for name in ("open/a.jpg", "shut/b.jpg"):
        (root / name).write_bytes(b"x")
    root.chmod(0o755)
    (root / "shut").chmod(0)
    was_root = os.geteuid() == 0
    if was_root:  # who may read everything
        os.seteuid(65534)
    yield root
    if was_root:
        os.seteuid(0)
    (root / "shut").chmod(0o755)
    rmtree(root)


def test_a_folder_that_cannot_be_read_ends_nothing(closed: Path) -> None:
    """The images beside it are found, and it is named with the reason, be it below a word or on the way to one."""
    found = find_images([str(closed), str(closed / "shut" / "b.jpg"), str(closed / "shut" / "*.jpg")], "")
    assert [image.key for image in found.files] == ["open/a.jpg"]
    assert found.unreadable == {
        closed / "shut": "Permission denied",
        closed / "shut" / "b.jpg": "Permission denied",
        closed / "shut" / "*.jpg": "Permission denied",
    }
