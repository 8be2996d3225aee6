"""Results as rows of a table: one fixed order of columns, written as CSV here and in other formats by modules of their names.

The columns of :data:`COLUMNS` come first, in that order, then ``p_<class>``, the probability of each class that any of the
results names, then ``value_<name>``, each value, then for each question of the decision tree ``asked_<question>`` and
``f_<question>_<answer>``, the fraction of each answer; all in alphabetical order. What a result does not have (the class of a
rejected file) is an empty cell.
JSON and Parquet keep every text as it is; CSV, VOTable and FITS cannot:

* CSV is opened in spreadsheets, and an object key may be chosen by a stranger. Text that a spreadsheet would run as a formula
  gets an apostrophe in front; so does text that begins with one, so that removing one apostrophe gives back the original.
* XML has no control characters; in a VOTable they stand as escapes such as ``\\x1b``.
* FITS has ASCII alone; whatever is not printable ASCII stands as such an escape.

Every format is written row by row, so that a million results need no more memory than one.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import IO, Any, Literal, Protocol

from cosmoformer.storage.results import Result
from cosmoformer.storage.side_by_side import OTHERS
from cosmoformer.votes.tree import TREES

Value = str | int | float | bool | None
Row = dict[str, Value]
Kind = Literal["text", "integer", "number", "flag"]

#: What a table of results holds.
DESCRIPTION = "Galaxy morphologies found by CosmoFormer"


@dataclass(frozen=True)
class Column:
    """One column of a table of results.

    Attributes:
        name: its heading.
        path: members of the result that lead to its value.
        kind: type of its cells.
        description: what it holds.
        unit: as VOTable writes it; empty for none.
        ucd: Unified Content Descriptor (IVOA UCD1+); empty for none.
    """

    name: str
    path: tuple[str, ...]
    kind: Kind
    description: str
    unit: str = ""
    ucd: str = ""


class Repeatable(Protocol):
    """Results that can be gone through more than once, such as a list of them."""

    def __iter__(self) -> Iterator[Result]: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class ResultTable:
    """Results with the columns of their table.

    Attributes:
        results: in the order of the rows.
        columns: in their order.
    """

    results: Repeatable
    columns: tuple[Column, ...]

    def rows(self) -> Iterator[Row]:
        """Value by heading, a row a result."""
        return (flatten(result, self.columns) for result in self.results)


# fmt: off

COLUMNS: tuple[Column, ...] = (
    Column("key", ("image", "key"), "text", "Object key of the image.", ucd="meta.id;meta.main"),
    Column("object_id", ("object", "object_id"), "text", "Name of the object, as told with the image.", ucd="meta.id"),
    Column("ra", ("object", "ra"), "number", "Right ascension of the object, ICRS.", unit="deg", ucd="pos.eq.ra;meta.main"),
    Column("dec", ("object", "dec"), "number", "Declination of the object, ICRS.", unit="deg", ucd="pos.eq.dec;meta.main"),
    Column("survey", ("object", "survey"), "text", "Survey that the image is of, as told with it.", ucd="meta.dataset"),
    Column("pixel_scale", ("object", "pixel_scale"), "number", "Side of a pixel of the file.", unit="arcsec", ucd="instr.scale"),
    Column("size_arcsec", ("object", "size_arcsec"), "number", "Petrosian radius (R90), as told.", "arcsec", "phys.angSize"),
    Column("status", ("status",), "text", "classified, or rejected for a file that is no picture.", ucd="meta.code.status"),
    Column("class", ("prediction", "class"), "text", "Class with the highest probability.", ucd="src.morph.type"),
    Column("confidence", ("prediction", "confidence"), "number", "Probability of that class.", ucd="stat.probability"),
    Column("unsure", ("prediction", "unsure"), "flag", "Whether the confidence is below unsure_below.", ucd="meta.code.qual"),
    Column("unsure_below", ("prediction", "unsure_below"), "number", "Threshold of unsure."),
    Column("in_domain", ("prediction", "in_domain"), "number", "Likeness to what the model learned from.", ucd="stat.value"),
    Column("no_galaxy", ("prediction", "no_galaxy"), "flag", "Whether in_domain is below no_galaxy_below.", ucd="meta.code.qual"),
    Column("no_galaxy_below", ("prediction", "no_galaxy_below"), "number", "Threshold of no_galaxy."),
    Column("task", ("prediction", "task"), "text", "Question that was answered."),
    Column("rejection_code", ("rejection", "code"), "text", "Why the file was rejected, as a short stable name."),
    Column("rejection_reason", ("rejection", "reason"), "text", "Why the file was rejected, in words.", ucd="meta.note"),
    Column("model_name", ("model", "name"), "text", "Registered model that judged."),
    Column("model_version", ("model", "version"), "integer", "Its version.", ucd="meta.version"),
    Column("model_run_id", ("model", "run_id"), "text", "MLflow run that trained it."),
    Column("model_sha256", ("model", "sha256"), "text", "Digest of its artifact."),
    Column("bucket", ("image", "bucket"), "text", "Bucket of the image."),
    Column("etag", ("image", "etag"), "text", "Entity tag of the image in the store."),
    Column("size_bytes", ("image", "size_bytes"), "integer", "Length of the image file.", unit="byte", ucd="phys.size;meta.file"),
    Column("last_modified", ("image", "last_modified"), "text", "When the store took the image, ISO 8601.", ucd="time"),
    Column("sha256", ("image", "sha256"), "text", "Digest of the image file."),
    Column("width", ("image", "width"), "integer", "Width of the picture in the file.", unit="pixel"),
    Column("height", ("image", "height"), "integer", "Height of the picture in the file.", unit="pixel"),
    Column("format", ("image", "format"), "text", "File format of the image."),
    Column("conversions", ("image", "conversions"), "text", "What was done to make it square 8-bit RGB, in order."),
    Column("zoom", ("image", "zoom"), "number", "Side of the picture over the side that was shown to the model."),
    Column("object_zoom", ("object", "zoom"), "number", "Zoom that was told."),
    Column("object_told", ("object", "told"), "text", "What was told with the image; the rest is from the file or its name."),
    Column("object_ignored", ("object", "ignored"), "text", "What was told of the object, but wrongly.", ucd="meta.note"),
    Column("event_id", ("event", "id"), "text", "CloudEvent that led to the result."),
    Column("event_source", ("event", "source"), "text", "Source of that CloudEvent."),
    Column("event_time", ("event", "time"), "text", "Time of that CloudEvent, ISO 8601.", ucd="time"),
    Column("started", ("started",), "text", "When the work on it began, ISO 8601.", ucd="time.start"),
    Column("finished", ("finished",), "text", "When the result was ready, ISO 8601.", ucd="time.end"),
    Column("seconds", ("seconds",), "number", "Time from start to finish.", unit="s", ucd="time.duration"),
)
# fmt: on

#: Description and UCD of values whose meaning is known, by name. UCD1+ has no word for the inclination of a galaxy.
KNOWN_VALUES: dict[str, tuple[str, str]] = {
    "inclination": ("Inclination of the disc: 0 face-on, 90 edge-on.", "src.morph.param"),
    "inclination_error": ("Uncertainty of the inclination, for 68 % of galaxies.", "stat.error;src.morph.param"),
}


#: What a table has of a further model's result, beside its numbers, under headings that begin with the model's name.
_OF_FURTHER = frozenset(("class", "confidence", "unsure", "in_domain", "no_galaxy", "rejection_code", "model_version"))


def columns(results: Iterable[Result]) -> tuple[Column, ...]:
    """The columns of a table of these results: :data:`COLUMNS`, and those of each class, each value and each question.

    Those of further models, where results have any (:mod:`cosmoformer.storage.side_by_side`), come behind, model by model.
    """
    own, others = _Seen(), dict[str, _Seen]()
    for result in results:
        own.add(result)
        for name, other in result.get(OTHERS, {}).items():
            others.setdefault(name, _Seen()).add(other)
    further = (_of_model(name, column) for name in sorted(others) for column in others[name].columns_of_further())
    return tuple(with_distinct_names((*COLUMNS, *own.columns(), *further)))


def with_distinct_names(found: Iterable[Column]) -> Iterator[Column]:
    """The columns; what has the heading of one before, but for capitals, gets a number behind it."""
    taken: set[str] = set()
    for column in found:
        name = next(name for name in _numbered(column.name) if name.lower() not in taken)
        taken.add(name.lower())
        yield column if name == column.name else replace(column, name=name)


def _numbered(name: str) -> Iterator[str]:
    return chain([name], (f"{name}_{number}" for number in count(2)))


def _of_model(name: str, column: Column) -> Column:
    heading, about = f"{_identifier(name)}_{column.name}", f"Of the model {name}: {column.description}"
    return replace(column, name=heading, path=(OTHERS, name, *column.path), description=about)


class _Seen:
    """What the predictions of some results have."""

    def __init__(self) -> None:
        self._classes: set[str] = set()
        self._values: dict[str, str] = {}
        self._answers: dict[str, set[str]] = {}

    def add(self, result: Result) -> None:
        prediction = result["prediction"] or {}
        self._classes.update(prediction.get("probabilities", ()))
        for name in prediction.get("values", ()):
            self._values[name] = prediction.get("units", {}).get(name) or self._values.get(name, "")
        for question, votes in prediction.get("votes", {}).items():
            self._answers.setdefault(question, set()).update(votes["fractions"])

    def columns(self) -> Iterator[Column]:
        yield from map(_probability, sorted(self._classes))
        yield from (_value_column(name, self._values[name]) for name in sorted(self._values))
        for question in sorted(self._answers):
            yield from _vote_columns(question, sorted(self._answers[question]))

    def columns_of_further(self) -> Iterator[Column]:
        yield from (column for column in COLUMNS if column.name in _OF_FURTHER)
        yield from self.columns()


def table_of(results: Repeatable) -> ResultTable:
    """The table of some results, with the columns that these have."""
    return ResultTable(results, columns(results))


def _probability(class_name: str) -> Column:
    path = ("prediction", "probabilities", class_name)
    about = f"Probability of the class {class_name}."
    return Column(f"p_{_identifier(class_name)}", path, "number", about, ucd="stat.probability")


def _value_column(name: str, unit: str) -> Column:
    path = ("prediction", "values", name)
    description, ucd = KNOWN_VALUES.get(name, (f"The task's value {name}.", ""))
    return Column(f"value_{_identifier(name)}", path, "number", description, unit=unit, ucd=ucd)


def _vote_columns(question: str, answers: Iterable[str]) -> Iterator[Column]:
    path = ("prediction", "votes", question)
    known = next((tree.question(question) for tree in TREES.values() if question in tree.names), None)
    asks = f'"{known.words}"' if known else question
    words = {answer.name: answer.words for answer in known.answers} if known else {}
    about = f"Of 100 volunteers, how many would be asked {asks}"
    yield Column(f"asked_{_identifier(question)}", (*path, "asked"), "number", about, ucd="stat.weight;src.morph")
    for answer in answers:
        about = f'Fraction of those asked {asks} who answer "{words.get(answer, answer)}".'
        heading = f"f_{_identifier(f'{question}_{answer}')}"
        yield Column(heading, (*path, "fractions", answer), "number", about, ucd="src.morph.param;arith.ratio")


def _identifier(name: str) -> str:
    """The name as TOPCAT's and pandas' expressions can use it."""
    return re.sub(r"\W+", "_", name)


def flatten(result: Result, table: Sequence[Column]) -> Row:
    """One result as a row: value by heading, None where the result has none; lists are joined with semicolons.

    What is not of its column's kind, as other programs may write it, is None, too.
    """
    return {column.name: _VALUES[column.kind](_member(result, column.path)) for column in table}


def _member(result: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = result
    for member in path:
        if not isinstance(found, dict):
            return None
        found = found.get(member)
    return found


def _text(found: Any) -> str | None:
    if isinstance(found, list):
        found = ";".join(map(str, found))
    if not isinstance(found, str):
        return None
    return found if found.isascii() else found.encode(errors="replace").decode()  # JSON can spell half a character


def _integer(found: Any) -> int | None:
    return found if isinstance(found, int) and not isinstance(found, bool) and -_INTEGERS <= found < _INTEGERS else None


def _number(found: Any) -> int | float | None:
    return found if isinstance(found, float) else _integer(found)


def _flag(found: Any) -> bool | None:
    return found if isinstance(found, bool) else None


_INTEGERS = 2**63
_VALUES: dict[Kind, Callable[[Any], Value]] = {"text": _text, "integer": _integer, "number": _number, "flag": _flag}


def write_csv(table: ResultTable, file: IO[bytes]) -> None:
    """Write results as CSV (RFC 4180, UTF-8) with a line of headings; flags are ``true`` and ``false``."""
    page = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    try:
        writer = csv.writer(page)
        writer.writerow(column.name for column in table.columns)
        writer.writerows(map(_csv_cell, row.values()) for row in table.rows())
    finally:
        page.detach()  # which the file's owner goes on with


# What spreadsheets take for the start of a formula; full-width forms are read as their ASCII twins.
_FORMULA = tuple("=+-@\t\r\n'\uff1d\uff0b\uff0d\uff20")


def _csv_cell(value: Value) -> str | int | float | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
