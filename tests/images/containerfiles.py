"""Containerfiles as data, and what .containerignore leaves of the build context."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
#: Of the Containerfile reference, those that change an image.
INSTRUCTIONS = {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "LABEL", "RUN", "USER", "WORKDIR"}


@dataclass
class Stage:
    """What follows one FROM.

    Attributes:
        base: what FROM names.
        name: what it is called, or nothing.
        instructions: name and value of each instruction, in order.
    """

    base: str
    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def values(self, instruction: str) -> list[str]:
        """The values of every instruction of a kind."""
        return [value for name, value in self.instructions if name == instruction]

    def last(self, instruction: str) -> str:
        """The value that holds in the end."""
        return self.values(instruction)[-1]

    def argv(self, instruction: str) -> list[str]:
        """A command in the form that needs no shell."""
        command: list[str] = json.loads(self.last(instruction))
        return command

    def pairs(self, instruction: str) -> dict[str, str]:
        """Names and values of ENV or LABEL."""
        words = shlex.split(" ".join(self.values(instruction)))
        return dict(word.split("=", 1) for word in words)

    def copied(self) -> list[str]:
        """What is copied from the build context."""
        plain = [value.split() for value in self.values("COPY") if not value.startswith("--from")]
        return [source for words in plain for source in words[:-1]]


@dataclass
class Containerfile:
    """A Containerfile that has been read: arguments before the first FROM, and the stages."""

    arguments: dict[str, str]
    stages: list[Stage]

    @property
    def final(self) -> Stage:
        """The stage that becomes the image."""
        return self.stages[-1]


def parse(text: str) -> Containerfile:
    """Read a Containerfile.

    Raises:
        ValueError: it has an instruction that no Containerfile here needs.
    """
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    found = Containerfile({}, [])
    for line in re.sub(r"\\\n", " ", lines).splitlines():
        if not line.strip():
            continue
        name, _, value = line.partition(" ")
        value = " ".join(value.split())
        if name not in INSTRUCTIONS:
            raise ValueError(f"expected one of {sorted(INSTRUCTIONS)}, got {line!r}")
        if name == "FROM":
            base, _, stage = value.partition(" AS ")
            found.stages.append(Stage(base, stage))
        elif found.stages:
            found.stages[-1].instructions.append((name, value))
        else:
            argument, _, default = value.partition("=")
            found.arguments[argument] = default
    return found


def ignored(path: str, patterns: list[str]) -> bool:
    """Whether .containerignore keeps a path out of the build context: the last pattern that fits it or a folder above decides."""
    places = [path, *map(str, PurePosixPath(path).parents)][:-1]
    out = False
    for pattern in patterns:
        if any(fnmatch(place, pattern.removeprefix("!")) for place in places):
            out = not pattern.startswith("!")
    return out


def ignore_patterns() -> list[str]:
    """The patterns of .containerignore."""
    lines = (ROOT / ".containerignore").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
