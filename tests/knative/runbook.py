"""The runbook's own words: pages, fenced blocks, and the commands in them."""

from __future__ import annotations

import json
import os
import re
import shlex
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.knative.rendering import KNATIVE, Object, build, overlay

PAGES = (KNATIVE / "README.md", *sorted((KNATIVE / "runbook").glob("*.md")))
_BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:kubectl|cosmoformer|make|python -m) [^`]+)`")
#: Joins commands, or makes one of several.
_OPERATORS = {"&", "&&", ";", "|", "do", "done"}
_ASSIGNMENT = re.compile(r"\w+=.*", re.DOTALL)


@dataclass(frozen=True)
class Command:
    """One command of a page.

    Attributes:
        page: where it stands.
        words: as the shell splits it, without variables before and redirections after it.
        inline: whether it stands in a sentence, where options may be left out.
    """

    page: Path
    words: tuple[str, ...]
    inline: bool = False

    def __str__(self) -> str:
        return f"{self.page.stem}: {' '.join(self.words)[:100]}"

    @property
    def own(self) -> tuple[str, ...]:
        """What follows `--`: a command that kubectl runs in a pod."""
        return self.words[self.words.index("--") + 1 :] if "--" in self.words else ()


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in a language."""
    text = page.read_text(encoding="utf-8")
    return [textwrap.dedent(found["text"]) for found in _BLOCK.finditer(text) if found["language"] == language]


def commands() -> list[Command]:
    """Every command of every page."""
    return [command for page in PAGES for command in (*_fenced(page), *_in_sentences(page))]


def _fenced(page: Path) -> Iterator[Command]:
    for block in blocks(page, "sh"):
        lexer = shlex.shlex(re.sub(r"\\\n", " ", block).replace("\n", " ;\n"), posix=True, punctuation_chars="&;|<>")
        lexer.whitespace_split, lexer.commenters = True, ""
        # A line break inside quotes ends no command; the mark put before it goes again.
        words = [re.sub(r" ;\n", "\n", word) for word in lexer]
        yield from (Command(page, found) for found in _split(words))


def _in_sentences(page: Path) -> Iterator[Command]:
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    for found in _INLINE.findall(text):
        yield Command(page, tuple(shlex.split(found)), inline=True)


def _split(words: list[str]) -> Iterator[tuple[str, ...]]:
    current: list[str] = []
    skipped = False
    for word in [*words, ";"]:
        if word in _OPERATORS:
            if current and current[0] not in ("for", "export"):
                yield tuple(current)
            current, skipped = [], False
        elif word in ("<", ">"):
            skipped = True
        elif skipped:
            skipped = False
        elif current or not _ASSIGNMENT.fullmatch(word):
            current.append(word)


def documents(page: Path) -> Iterator[Object]:
    """Every object in the YAML blocks of a page; other YAML, such as a patch, is left out."""
    for block in blocks(page, "yaml"):
        for document in yaml.safe_load_all(block):
            if isinstance(document, dict) and "kind" in document:
                yield document


def kustomizations(page: Path) -> list[Any]:
    """The kustomizations among them."""
    return [document for document in documents(page) if document["kind"] == "Kustomization"]


def rendered(folder: Path) -> str:
    """A folder of the repository, or one of the reader's own whose kustomization the page shows."""
    if folder.parent == KNATIVE / "overlays":
        return overlay(folder.name)
    shown = {"site-func": "README", "site": "README", "site-training": "models"}
    found = kustomizations(next(page for page in PAGES if page.stem == shown[folder.name]))
    beside = [name for name in shown if shown[name] == shown[folder.name]]  # in the order of the page
    assert len(found) == len(beside)
    return _build_elsewhere(json.dumps(found[beside.index(folder.name)]))


@cache
def _build_elsewhere(text: str) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        here = os.path.relpath(KNATIVE, Path(scratch).resolve())
        (Path(scratch) / "kustomization.yaml").write_text(text.replace('"../knative/', f'"{here}/'))  # JSON is YAML
        return build(Path(scratch))
