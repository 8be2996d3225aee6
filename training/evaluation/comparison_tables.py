"""Rows of models as Markdown: one table for each sample, and one of its classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from training.evaluation.comparison import Row

_DASH = "–"


@dataclass(frozen=True)
class _Column:
    """A column of a table.

    Attributes:
        heading: of it; empty is what is measured.
        cell: text of a row's cell.
        is_always: whether it is there where no row has anything.
    """

    heading: str
    cell: Callable[[Row], str]
    is_always: bool = True


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if value < 100 else f"{value:,.0f}"


_COLUMNS = (
    _Column("Model", lambda row: row.model),
    _Column("Parameters", lambda row: _number(row.parameters)),
    _Column("Pretrained", lambda row: row.pretrained),
    _Column("Side, px", lambda row: _number(row.side)),
    _Column("Epochs", lambda row: _digits(row.epochs)),
    _Column("", lambda row: row.figure),
    _Column("95 % interval", lambda row: row.interval),
    _Column("Test galaxies", lambda row: _number(row.images)),
    _Column("Prediction, ms", lambda row: _digits(row.prediction_ms)),
    _Column("One of 32, ms", lambda row: _digits(row.batch_image_ms), is_always=False),
    _Column("File, MB", lambda row: _digits(row.file_mb), is_always=False),
    _Column("Memory, MB", lambda row: _digits(row.memory_mb), is_always=False),
    _Column("Step, ms", lambda row: _digits(row.step_ms), is_always=False),
    _Column("Here", lambda row: f"`{row.backbone}`, {row.here}" if row.here else "", is_always=False),
    _Column("Source", lambda row: row.source),
)


def as_markdown(rows: Iterable[Row]) -> str:
    """One table for each sample, in the order of their first rows, each with a table of its classes behind it."""
    by_sample: dict[str, list[Row]] = {}
    for row in rows:
        by_sample.setdefault(row.sample, []).append(row)
    parts = []
    for sample, members in by_sample.items():
        parts += [f"### {sample}", _models(members)]
        if known := [row for row in members if row.by_class]:
            parts += ["Precision / recall / F1 by class:", _classes(known)]
    return "\n\n".join(parts)


def _models(rows: Sequence[Row]) -> str:
    columns = [column for column in _COLUMNS if column.is_always or any(map(column.cell, rows))]
    headings = [column.heading or rows[0].measure for column in columns]
    return _table(headings, [[column.cell(row) for column in columns] for row in rows])


def _classes(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row.by_class))
    headings = ["Model", *(name.replace("_", " ") for name in names), "Source"]
    return _table(headings, [[row.model, *(row.by_class.get(name, "") for name in names), row.source] for row in rows])


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ("---", *["---:"] * (len(headings) - 2), "---"), *rows]
    return "\n".join(f"| {' | '.join(cell or _DASH for cell in line)} |" for line in lines)
