"""Results as files: read from the store into a spool, from there written in the format that is wished for."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import click

from cosmoformer.errors import InvalidRequest, PermanentError
from cosmoformer.storage.catalogues import read_catalogue
from cosmoformer.storage.fits_table import write_fits
from cosmoformer.storage.parquet import write_parquet
from cosmoformer.storage.results import Result
from cosmoformer.storage.side_by_side import all_rows
from cosmoformer.storage.sky_match import check, match
from cosmoformer.storage.spool import Spool
from cosmoformer.storage.store import Store
from cosmoformer.storage.tables import ResultTable, table_of, write_csv
from cosmoformer.storage.votable import write_votable
from cosmoformer.terminal import console, progress
from cosmoformer.text import printable

#: What writes each format, by option.
_WRITERS: dict[str, Callable[[ResultTable, IO[bytes]], None]] = {
    "csv": write_csv,
    "votable": write_votable,
    "parquet": write_parquet,
    "fits": write_fits,
}
#: Formats that a package writes: what people call them, the package, and an extra that has it.
_PACKAGED = {
    "votable": ("VOTable", "astropy", "local"),
    "parquet": ("Parquet", "pyarrow", "parquet"),
    "fits": ("FITS", "astropy", "local"),
}
_MATCHING = ("a match on the sky", "scipy", "local")  # which astropy asks for neighbours


@dataclass(frozen=True)
class Partner:
    """Another catalogue.

    Attributes:
        path: its file.
        radius_arcsec: how far a partner is at most.
        columns: its headings of ``ra`` and ``dec``, where they are not found.
    """

    path: Path
    radius_arcsec: float
    columns: dict[str, str]


@dataclass(frozen=True)
class Wish:
    """What shall be written.

    Attributes:
        form: csv, json, votable, parquet or fits.
        prefix: of the images' keys.
        since: when results were finished at the earliest.
        output: the file; None for standard output.
        beside: a catalogue to join with.
    """

    form: str
    prefix: str = ""
    since: datetime | None = None
    output: Path | None = None
    beside: Partner | None = None

    def words(self, store: Store) -> dict[str, Any]:
        """What is read, so that a spool is gone on with by the same command only."""
        settings = store.settings
        place = (settings.s3_endpoint_url, settings.results_bucket, settings.results_prefix, settings.served_models)
        return {"place": list(place), "prefix": self.prefix, "since": self.since and self.since.isoformat()}


def export(store: Store, wish: Wish) -> None:
    """Write results.

    Raises:
        InvalidRequest: the other catalogue cannot be read.
        PermanentError: a package is missing.
        StoreUnavailable: the store does not answer; what was read is kept, as after Ctrl-C.
    """
    if wish.form in _PACKAGED:
        _require(*_PACKAGED[wish.form])
    if wish.beside:
        _require(*_MATCHING)
    elif wish.form == "json" and wish.output is None:
        for result in all_rows(store, wish.prefix, since=wish.since):
            sys.stdout.buffer.write(json_line(result))
        return
    other = None
    if wish.beside:
        other = read_catalogue(wish.beside.path)
        check(other, wish.beside.columns)  # before anything is read
    with _spooled(store, wish) as spool:
        table = table_of(spool)
        if wish.beside:
            table = match(table, other, wish.beside.radius_arcsec, wish.beside.columns)
        if wish.output is None:
            _write(wish.form, table, sys.stdout.buffer)
        else:
            with click.open_file(str(wish.output), "wb", atomic=True) as file:
                _write(wish.form, table, file)


def json_line(result: Result) -> bytes:
    """A JSON line. Pure ASCII, so that no terminal acts on control characters in a key."""
    return json.dumps(result).encode() + b"\n"


def _write(form: str, table: ResultTable, file: IO[bytes]) -> None:
    if form == "json":
        file.writelines(map(json_line, table.results))
    else:
        _WRITERS[form](table, file)


def _require(what: str, package: str, extra: str) -> None:
    try:
        import_module(package)
    except ImportError:
        raise PermanentError(f"{what} needs {package}", f"pip install 'cosmoformer[{extra}]'") from None


@contextmanager
def _spooled(store: Store, wish: Wish) -> Iterator[Spool]:
    """All results that are wished for; kept beside the file until that is written, and gone on with the next time."""
    if wish.output is None:
        with Spool(TemporaryFile(), wish.words(store)) as spool:
            _collect(store, wish, spool)
            yield spool
        return
    part = wish.output.with_name(f"{wish.output.name}.part")
    try:
        spool = Spool.at(part, wish.words(store))
    except OSError as error:
        raise InvalidRequest(f"{part} cannot be written: {error.strerror}", "Name another file") from None
    if spool.discarded:
        click.echo(printable(f"{part.name} held what another command had read: all is read anew"), err=True)
    with spool:
        try:
            _collect(store, wish, spool)
        except BaseException:
            kept = f"{len(spool):,} results are kept in {part.name}: the same command goes on from there"
            click.echo(printable(kept), err=True)
            raise
        yield spool
    part.unlink(missing_ok=True)  # another process may have gone on with it


def _collect(store: Store, wish: Wish, spool: Spool) -> None:
    bar, advance = progress(console(stderr=True), "reading results", None)
    after = spool.last["image"]["key"] if spool.last else ""
    with bar:
        for count in spool.add(all_rows(store, wish.prefix, after=after, since=wish.since)):
            advance(count)
