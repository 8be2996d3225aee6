"""Image files on this machine: which ones a path names, which object keys they get, and what is left out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from glob import has_magic
from itertools import takewhile
from pathlib import Path

from cosmoformer.errors import InvalidRequest
from cosmoformer.images.formats import MEDIA_TYPES, has_image_suffix

_SUFFIXES = ", ".join(suffix[1:] for suffix in MEDIA_TYPES)
_NO_IMAGE = "its name has no suffix of an image"
_HIDDEN = "hidden"
_LINK = "a link to a folder"


@dataclass(frozen=True)
class ImageFile:
    """A file and the object key it gets.

    Attributes:
        path: the file.
        key: object key.
    """

    path: Path
    key: str


@dataclass(frozen=True)
class Findings:
    """What words of a command line name.

    Attributes:
        files: image files, each once, in the order of the words.
        left_out: files and folders below those words that are not taken, and why.
        unreadable: files and folders that could not be looked into, and why.
    """

    files: list[ImageFile] = field(default_factory=list)
    left_out: dict[Path, str] = field(default_factory=dict)
    unreadable: dict[Path, str] = field(default_factory=dict)


def find_images(words: Iterable[str], prefix: str) -> Findings:
    """The files that words of a command line name.

    A file is taken whatever it is called. Of a folder every file with one of the suffixes of :data:`MEDIA_TYPES` is taken, at
    any depth, hidden ones excepted; its key is ``prefix`` and the path relative to the folder. Of what matches a pattern
    (``*``, ``?``, ``[…]``, ``**``) the same is taken, with keys relative to what stands before the first wildcard. One that
    cannot be read ends nothing.

    Raises:
        InvalidRequest: a word names no image file.
    """
    findings = Findings()
    found: dict[Path, ImageFile] = {}
    for word in words:
        aside = len(findings.unreadable)
        files = list(_expand(word, findings))
        if not files and len(findings.unreadable) == aside:
            raise InvalidRequest(f"{word!r} is no file, and no folder or pattern with image files ({_SUFFIXES}).")
        for path, relative in files:
            found.setdefault(path.absolute(), ImageFile(path, prefix + relative))
    findings.files.extend(found.values())
    return findings


def _expand(word: str, findings: Findings) -> Iterator[tuple[Path, str]]:
    """Files, and the ends of their keys."""
    path = Path(word).expanduser()
    try:
        if path.is_dir():
            yield from _walk(path, path, findings)
        elif path.exists():
            yield path, path.name
        elif has_magic(word):
            yield from _match(path, findings)
    except OSError as error:  # a folder on the way to it may not be looked into
        findings.unreadable[path] = error.strerror or str(error)


def _match(pattern: Path, findings: Findings) -> Iterator[tuple[Path, str]]:
    root = Path(*takewhile(lambda part: not has_magic(part), pattern.parts))
    for match in sorted(root.glob(str(pattern.relative_to(root)))):
        if _is_hidden(match.relative_to(root)):
            continue  # as shells leave them out
        if os.path.isdir(match):  # noqa: PTH112 (False, not an error, where it may not be looked into)
            yield from _walk(match, root, findings)
        elif has_image_suffix(match.name):
            yield match, match.relative_to(root).as_posix()
        else:
            findings.left_out[match] = _NO_IMAGE


def _walk(folder: Path, root: Path, findings: Findings) -> Iterator[tuple[Path, str]]:
    def note(error: OSError) -> None:
        findings.unreadable[Path(error.filename)] = error.strerror or str(error)

    for parent, folders, names in os.walk(folder, onerror=note):
        here = Path(parent)
        findings.left_out.update((here / name, _HIDDEN) for name in (*folders, *names) if name.startswith("."))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        findings.left_out.update((here / name, _LINK) for name in folders if (here / name).is_symlink())
        for path in (here / name for name in sorted(names) if not name.startswith(".")):
            if has_image_suffix(path.name):
                yield path, path.relative_to(root).as_posix()
            else:
                findings.left_out[path] = _NO_IMAGE


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
