"""The option ``--column NAME=HEADING`` of commands that read tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click


def named_columns(words: Iterable[str], names: Sequence[str]) -> dict[str, str]:
    """Headings by name.

    Raises:
        click.UsageError: a word is not of that form, or names something else.
    """
    columns = {}
    for word in words:
        name, _, heading = word.partition("=")
        if name not in names or not heading:
            raise click.UsageError(f"--column {word}: expected NAME=HEADING, NAME one of {', '.join(names)}.")
        columns[name] = heading
    return columns
