"""Which files a word of the command line names, and the keys they get."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from cosmoformer.cli.images import find_images
from cosmoformer.images.formats import media_type


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
    return [image.key for image in find_images([str(word) for word in words], prefix)]


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
    with pytest.raises(click.UsageError, match="is no file"):
        keys(folder, folder / word)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.JPEG", b"", "image/jpeg"),
        ("a.fits.gz", b"", "image/fits"),
        ("a", b"\x89PNG\r\n\x1a\n", "image/png"),
        ("a.dat", b"SIMPLE  =  T", "image/fits"),
        ("a.txt", b"hello", "application/octet-stream"),
    ],
)
def test_media_type_is_told_by_name_and_then_by_content(name: str, content: bytes, expected: str) -> None:
    """The suffix decides; where it says nothing, the first bytes do."""
    assert media_type(name, content) == expected
