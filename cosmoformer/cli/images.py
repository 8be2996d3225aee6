"""Image files on this machine: which ones a path names, and which object keys they get."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from glob import has_magic
from itertools import takewhile
from pathlib import Path

import click

from cosmoformer.images.formats import MEDIA_TYPES

_SUFFIXES = ", ".join(suffix[1:] for suffix in MEDIA_TYPES)


@dataclass(frozen=True)
class ImageFile:
    """A file and the object key it gets.

    Attributes:
        path: the file.
        key: object key.
    """

    path: Path
    key: str


def find_images(words: Iterable[str], prefix: str) -> list[ImageFile]:
    """The files that words of a command line name, each once, in the order of the words.

    A file is taken whatever it is called. Of a folder every file with one of the suffixes of :data:`MEDIA_TYPES` is taken, at
    any depth, hidden ones excepted; its key is ``prefix`` and the path relative to the folder. Of what matches a pattern
    (``*``, ``?``, ``[…]``, ``**``) the same is taken, with keys relative to what stands before the first wildcard.

    Raises:
        click.UsageError: a word names no image file.
    """
    found: dict[Path, ImageFile] = {}
    for word in words:
        files = list(_expand(word))
        if not files:
            raise click.UsageError(f"{word!r} is no file, and no folder or pattern with image files ({_SUFFIXES}).")
        for path, relative in files:
            found.setdefault(path.absolute(), ImageFile(path, prefix + relative))
    return list(found.values())


def _expand(word: str) -> Iterator[tuple[Path, str]]:
    """Files, and the ends of their keys."""
    path = Path(word).expanduser()
    if path.is_dir():
        yield from _walk(path, path)
    elif path.is_file():
        yield path, path.name
    elif has_magic(word):
        root = Path(*takewhile(lambda part: not has_magic(part), path.parts))
        for match in sorted(root.glob(str(path.relative_to(root)))):
            if _is_hidden(match.relative_to(root)):
                continue
            if match.is_dir():
                yield from _walk(match, root)
            elif _is_image(match.name):
                yield match, match.relative_to(root).as_posix()


def _walk(folder: Path, root: Path) -> Iterator[tuple[Path, str]]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for path in (Path(parent, name) for name in sorted(names)):
            if not _is_hidden(path.relative_to(folder)) and _is_image(path.name):
                yield path, path.relative_to(root).as_posix()


def _is_image(name: str) -> bool:
    return name.lower().endswith(tuple(MEDIA_TYPES))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
