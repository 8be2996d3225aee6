"""``cosmoformer results``: show and export results."""

from __future__ import annotations

import io
import json
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import IO

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cosmoformer.cli.environment import with_settings
from cosmoformer.errors import PermanentError
from cosmoformer.settings import Settings
from cosmoformer.storage.headlines import headline, mark_of
from cosmoformer.storage.parquet import write_parquet
from cosmoformer.storage.results import Result, ResultsBucket
from cosmoformer.storage.store import Store
from cosmoformer.storage.tables import write_csv, write_votable
from cosmoformer.storage.watching import watch
from cosmoformer.terminal import console, table, text

Show = Callable[[Sequence[Result], int], None]  # given what is new, and how many results are known
#: Formats that a package writes, by option: the function, what people call the format, the package, and an extra that has it.
_PACKAGED = {
    "votable": (write_votable, "VOTable", "astropy", "local"),
    "parquet": (write_parquet, "Parquet", "pyarrow", "parquet"),
}
_AROUND_ROWS = 6  # lines of the terminal that are not rows


@click.command(
    epilog="""\b
Examples:
  cosmoformer results night-1/
  cosmoformer results --votable --output galaxies.vot
  cosmoformer results --parquet --output galaxies.parquet
  cosmoformer results --watch --until 100
"""
)
@click.argument("prefix", default="")
@click.option("--csv", "form", flag_value="csv", help="Comma-separated values with a line of headings.")
@click.option("--json", "form", flag_value="json", help="JSON lines: one result a line, as it is stored.")
@click.option("--votable", "form", flag_value="votable", help="VOTable (IVOA) with units, descriptions and UCDs.")
@click.option("--parquet", "form", flag_value="parquet", help="Apache Parquet, likewise.")
@click.option("--output", type=click.File("wb", lazy=True, atomic=True), help="File instead of standard output.")
@click.option("--watch", "watching", is_flag=True, help="Go on showing results as they come, until Ctrl-C.")
@click.option("--until", type=click.IntRange(1), metavar="N", help="With --watch: end when there are N results.")
@with_settings
def command(
    settings: Settings, prefix: str, form: str | None, output: IO[bytes] | None, watching: bool, until: int | None
) -> None:
    """Show the results of images whose object key starts with PREFIX.

    CSV, VOTable and Parquet have the same columns in the same order: key, status, class, confidence, unsure and so on, then
    p_CLASS, the probability of each class, value_NAME, each other number that a model gives, and of each question of the decision
    tree asked_QUESTION and f_QUESTION_ANSWER. In CSV, text that a spreadsheet would run as a formula, or that begins with an
    apostrophe, has an apostrophe put in front.
    """
    _check_options(form, output, watching, until)
    store = Store(settings)
    if watching:
        _watch(store, prefix, as_json=form == "json", until=until)
        return
    results = list(ResultsBucket(store).all(prefix))
    if form is None:
        out = console()
        out.print(result_table(out, results) if results else text(f"no results{_under(prefix)}"))
    else:
        _export(form, results, output or sys.stdout.buffer)


def _check_options(form: str | None, output: object, watching: bool, until: int | None) -> None:
    if output is not None and (form is None or watching):
        raise click.UsageError("--output goes with --csv, --json, --votable or --parquet, and not with --watch.")
    if form == "parquet" and output is None:
        raise click.UsageError("--parquet is no text: it goes with --output FILE.")
    if watching and form not in (None, "json"):
        raise click.UsageError("--watch goes with --json or no format.")
    if until is not None and not watching:
        raise click.UsageError("--until goes with --watch.")


def _under(prefix: str) -> str:
    return f" under {prefix!r}" if prefix else ""


def _export(form: str, results: Sequence[Result], file: IO[bytes]) -> None:
    if form == "json":
        file.writelines(_line(result) for result in results)
    elif form == "csv":
        page = io.StringIO(newline="")
        write_csv(results, page)
        file.write(page.getvalue().encode())
    else:
        write, name, package, extra = _PACKAGED[form]
        try:
            write(results, file)
        except ImportError:
            raise PermanentError(f"{name} needs {package}", f"pip install 'cosmoformer[{extra}]'") from None


def _line(result: Result) -> bytes:
    """A JSON line. Pure ASCII, so that no terminal acts on control characters in a key."""
    return json.dumps(result).encode() + b"\n"


def result_table(out: Console, results: Iterable[Result]) -> Table:
    """Results as a table for people."""
    made = table(out, "key", "class", ">confidence", "mark", ">model", "status")
    for result in results:
        made.add_row(*result_cells(result))
    return made


def result_cells(result: Result) -> list[Text]:
    """One row of :func:`result_table`."""
    prediction, rejection, model = result["prediction"] or {}, result["rejection"], result["model"] or {}
    mark = mark_of(prediction)
    return [
        text(result["image"]["key"]),
        text(headline(prediction) if prediction else None, "yellow" if mark else "green"),
        text(f"{prediction['confidence']:.3f}" if "confidence" in prediction else None),
        text(mark or None, "yellow"),
        text(model.get("version")),
        text(f"rejected: {rejection['reason']}" if rejection else result["status"], "red" if rejection else ""),
    ]


def _watch(store: Store, prefix: str, *, as_json: bool, until: int | None) -> None:
    out = console()
    if as_json or not out.is_terminal:
        _follow(store, prefix, until, _show_json if as_json else _show_lines)
    else:
        with Live(console=out, auto_refresh=False) as live:
            _follow(store, prefix, until, _live_view(live, out, _under(prefix)))


def _follow(store: Store, prefix: str, until: int | None, show: Show) -> None:
    known: set[str] = set()
    with suppress(KeyboardInterrupt):
        for news in watch(store, prefix):
            known.update(result["image"]["key"] for result in news)
            show(news, len(known))
            if until is not None and len(known) >= until:
                return


def _live_view(live: Live, out: Console, where: str) -> Show:
    """Keeps the newest results that fit the terminal on it."""
    newest: deque[Result] = deque(maxlen=max(out.height - _AROUND_ROWS, 1))

    def show(news: Sequence[Result], count: int) -> None:
        newest.extend(news)
        caption = text(f"{count:,} results{where}; Ctrl-C ends", "dim")
        live.update(Group(result_table(out, newest), caption), refresh=True)

    return show


def _show_json(news: Sequence[Result], _: int) -> None:
    for result in news:
        click.echo(_line(result), nl=False)


def _show_lines(news: Sequence[Result], _: int) -> None:
    """The cells of the table with tabs between, for a pipe."""
    for result in news:
        click.echo("\t".join(cell.plain for cell in result_cells(result)))
