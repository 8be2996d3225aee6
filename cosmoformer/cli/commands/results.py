"""``cosmoformer results``: show and export results."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cosmoformer.cli.columns import named_columns
from cosmoformer.cli.environment import with_settings
from cosmoformer.cli.exporting import Partner, Wish, export, json_line
from cosmoformer.served_models import further_models
from cosmoformer.settings import Settings
from cosmoformer.storage.headlines import headline, mark_of
from cosmoformer.storage.results import Result
from cosmoformer.storage.side_by_side import OTHERS, all_rows
from cosmoformer.storage.store import Store
from cosmoformer.storage.watching import watch
from cosmoformer.terminal import console, table, text
from cosmoformer.timestamps import moment

Show = Callable[[Sequence[Result], int], None]  # given what is new, and how many images the first model has judged
_AROUND_ROWS = 6  # lines of the terminal that are not rows


class _Moment(click.ParamType[datetime]):
    """A day or a point in time, UTC where no zone is said."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The time that a word of the command line names."""
        try:
            found = moment(str(value)) if "T" in str(value).upper() else datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time: expected such as 2026-03-01 or 2026-03-01T12:00:00Z", param, ctx)
        return found if found.tzinfo else found.replace(tzinfo=UTC)


@click.command(
    epilog="""\b
Examples:
  cosmoformer results night-1/
  cosmoformer results --votable --output galaxies.vot
  cosmoformer results --parquet --output galaxies.parquet
  cosmoformer results --fits --output galaxies.fits --match sdss.vot --radius 2
  cosmoformer results --csv --since 2026-03-01 --output march.csv
  cosmoformer results --watch --until 100
"""
)
@click.argument("prefix", default="")
@click.option("--csv", "form", flag_value="csv", help="Comma-separated values with a line of headings.")
@click.option("--json", "form", flag_value="json", help="JSON lines: one result a line, as it is stored.")
@click.option("--votable", "form", flag_value="votable", help="VOTable (IVOA) with units, descriptions and UCDs.")
@click.option("--parquet", "form", flag_value="parquet", help="Apache Parquet, likewise.")
@click.option("--fits", "form", flag_value="fits", help="FITS binary table, likewise; texts in ASCII.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="File instead of standard output.",
)
@click.option(
    "--since", type=_Moment(), metavar="TIME", help="Only results finished at or after, such as 2026-03-01T12:00:00Z."
)
@click.option(
    "--match",
    "other",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Table to join with on the sky: CSV, VOTable, FITS, ECSV or Parquet.",
)
@click.option(
    "--radius", type=click.FloatRange(0, 3600, min_open=True), metavar="ARCSEC", help="Of --match. [default: 1]"
)
@click.option(
    "--column", "renamed", multiple=True, metavar="NAME=HEADING", help="Column of --match that has ra or dec."
)
@click.option("--watch", "watching", is_flag=True, help="Go on showing results as they come, until Ctrl-C.")
@click.option(
    "--until", type=click.IntRange(1), metavar="N", help="With --watch: end when MODEL_NAME's model has judged N."
)
@with_settings
def command(
    settings: Settings,
    prefix: str,
    form: str | None,
    output: Path | None,
    since: datetime | None,
    other: Path | None,
    radius: float | None,
    renamed: tuple[str, ...],
    watching: bool,
    until: int | None,
) -> None:
    """Show the results of images whose object key starts with PREFIX.

    CSV, VOTable, Parquet and FITS have the same columns in the same order: key, status, class, confidence, unsure and so on, then
    p_CLASS, the probability of each class, value_NAME, each other number that a model gives, and of each question of the decision
    tree asked_QUESTION and f_QUESTION_ANSWER. In CSV, text that a spreadsheet would run as a formula, or that begins with an
    apostrophe, has an apostrophe put in front.

    Where several models are served, there is a row for every image that any of them has judged. The columns of further ones come
    behind, under their names; what a model has not judged is empty.

    With --match follow the columns of the nearest object of another table, and separation, in seconds of arc. What is read for a
    file is kept in FILE.part until the file is written: after an interruption, say the same again.
    """
    _check_options(form, output, watching, until)
    store = Store(settings)
    if watching:
        if since or other:
            raise click.UsageError("--since and --match do not go with --watch.")
        _watch(store, prefix, as_json=form == "json", until=until)
        return
    beside = _partner(form, other, radius, renamed)
    if form is None:
        results = list(all_rows(store, prefix, since=since))
        out, further = console(), further_models(settings)
        out.print(result_table(out, results, further) if results else text(f"no results{_under(prefix)}"))
    else:
        export(store, Wish(form, prefix, since, None if output == Path("-") else output, beside))


def _check_options(form: str | None, output: object, watching: bool, until: int | None) -> None:
    if output is not None and (form is None or watching):
        raise click.UsageError(
            "--output goes with --csv, --json, --votable, --parquet or --fits, and not with --watch."
        )
    if form in ("parquet", "fits") and output is None:
        raise click.UsageError(f"--{form} is no text: it goes with --output FILE.")
    if watching and form not in (None, "json"):
        raise click.UsageError("--watch goes with --json or no format.")
    if until is not None and not watching:
        raise click.UsageError("--until goes with --watch.")


def _partner(form: str | None, other: Path | None, radius: float | None, renamed: tuple[str, ...]) -> Partner | None:
    if other is None:
        if radius is not None or renamed:
            raise click.UsageError("--radius and --column go with --match.")
        return None
    if form is None:
        raise click.UsageError("--match goes with --csv, --json, --votable, --parquet or --fits.")
    return Partner(other, radius or 1.0, named_columns(renamed, ("ra", "dec")))


def _under(prefix: str) -> str:
    return f" under {prefix!r}" if prefix else ""


def result_table(out: Console, results: Iterable[Result], further: Sequence[str] = ()) -> Table:
    """Results as a table for people, with a column for each of the ``further`` models."""
    made = table(out, "key", "class", ">confidence", "mark", ">model", "status", *further)
    for result in results:
        made.add_row(*result_cells(result, further))
    return made


def result_cells(result: Result, further: Sequence[str] = ()) -> list[Text]:
    """One row of :func:`result_table`."""
    prediction, rejection, model = result["prediction"] or {}, result["rejection"], result["model"] or {}
    mark = mark_of(prediction)
    others = result.get(OTHERS, {})
    return [
        text(result["image"]["key"]),
        text(headline(prediction) if prediction else None, "yellow" if mark else "green"),
        text(f"{prediction['confidence']:.3f}" if "confidence" in prediction else None),
        text(mark or None, "yellow"),
        text(model.get("version")),
        text(f"rejected: {rejection['reason']}" if rejection else result["status"], "red" if rejection else ""),
        *(_cell_of_further(others.get(name)) for name in further),
    ]


def _cell_of_further(result: Result | None) -> Text:
    if result is None or result["prediction"]:
        return text(result and headline(result["prediction"]))
    return text(f"rejected: {result['rejection']['code']}", "red")


def _watch(store: Store, prefix: str, *, as_json: bool, until: int | None) -> None:
    out, further = console(), further_models(store.settings)
    if as_json or not out.is_terminal:
        _follow(store, prefix, until, _show_json if as_json else _show_lines(further))
    else:
        with Live(console=out, auto_refresh=False) as live:
            _follow(store, prefix, until, _live_view(live, out, _under(prefix), further))


def _follow(store: Store, prefix: str, until: int | None, show: Show) -> None:
    known: set[str] = set()
    with suppress(KeyboardInterrupt):
        for news in watch(store, prefix):
            known.update(result["image"]["key"] for result in news if result["status"])
            show(news, len(known))
            if until is not None and len(known) >= until:
                return


def _live_view(live: Live, out: Console, where: str, further: Sequence[str]) -> Show:
    """Keeps the newest results that fit the terminal on it."""
    newest: deque[Result] = deque(maxlen=max(out.height - _AROUND_ROWS, 1))

    def show(news: Sequence[Result], count: int) -> None:
        newest.extend(news)
        caption = text(
            f"{count:,} results of the first model{where}; Ctrl-C ends"
            if further
            else f"{count:,} results{where}; Ctrl-C ends",
            "dim",
        )
        live.update(Group(result_table(out, newest, further), caption), refresh=True)

    return show


def _show_json(news: Sequence[Result], _: int) -> None:
    for result in news:
        click.echo(json_line(result), nl=False)


def _show_lines(further: Sequence[str]) -> Show:
    """The cells of the table with tabs between, for a pipe."""

    def show(news: Sequence[Result], _: int) -> None:
        for result in news:
            click.echo("\t".join(cell.plain for cell in result_cells(result, further)))

    return show
