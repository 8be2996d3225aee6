"""What the commands print: tables for people, plain columns for pipes, and untrusted text made harmless."""

from __future__ import annotations

from collections.abc import Callable

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from cosmoformer.text import printable

_PIPE_WIDTH = 10_000  # columns; nothing is cut in a file or pipe


def console(*, stderr: bool = False) -> Console:
    """Where output goes; in a pipe lines are as long as they need to be."""
    found = Console(stderr=stderr, highlight=False, soft_wrap=False)
    if not found.is_terminal:
        found.width = _PIPE_WIDTH
    return found


def table(out: Console, *headings: str, title: str | None = None) -> Table:
    """An empty table; a heading that begins with ``>`` is of a column of numbers."""
    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD if out.is_terminal else None, pad_edge=False)
    for heading in headings:
        made.add_column(
            heading.removeprefix(">"), justify="right" if heading.startswith(">") else "left", overflow="fold"
        )
    return made


def text(value: object, style: str = "") -> Text:
    """A cell that shows exactly this; None is empty.

    Object keys and rejection reasons come from strangers: markup in them stays text, and control characters are replaced.
    """
    return Text(printable("" if value is None else str(value)), style=style)


def progress(out: Console, what: str, total: int | None) -> tuple[Progress, Callable[[int], None]]:
    """A progress bar to be used as a context, and a function that sets how much is done.

    It shows nothing when the output is no terminal, and how much is left only where the total is known.
    """
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=out, transient=True, disable=not out.is_terminal,
    )  # fmt: skip
    task = bar.add_task(what, total=total)
    return bar, lambda done: bar.update(task, completed=done)
