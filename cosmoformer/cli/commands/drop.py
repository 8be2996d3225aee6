"""``cosmoformer drop``: image files into the images bucket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import click

from cosmoformer.cli.columns import named_columns
from cosmoformer.cli.commands.results import result_table
from cosmoformer.cli.environment import with_settings
from cosmoformer.errors import InvalidRequest, PermanentError
from cosmoformer.served_models import further_models
from cosmoformer.settings import Settings
from cosmoformer.storage.catalogue_rows import FILE_COLUMNS, Pairing, pair, read_rows
from cosmoformer.storage.dropping import Outcome, drop_files
from cosmoformer.storage.image_files import ImageFile, find_images
from cosmoformer.storage.keys import UPLOADS, is_upload
from cosmoformer.storage.sky_objects import FIELDS, Told
from cosmoformer.storage.store import Store
from cosmoformer.storage.waiting import GONE, gathered, wait_for, with_further
from cosmoformer.storage.watching import look_up
from cosmoformer.terminal import console, progress
from cosmoformer.text import printable

_NAMED = 20  # of what is left out or wrong, one by one
_UNUSABLE = "not used"


@click.command(
    epilog="""\b
Examples:
  cosmoformer drop ~/galaxies --prefix night-1/
  cosmoformer drop 'survey/**/*.fits' --wait
  cosmoformer drop cutouts --catalogue objects.csv --file-column jpg --column ra=RAJ2000 --column dec=DEJ2000
"""
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--prefix", default="", help="Start of every object key.")
@click.option("--wait", is_flag=True, help="Wait until every image has its result, and show them.")
@click.option(
    "--catalogue",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Table of what is known of the objects: CSV, VOTable, FITS, ECSV or Parquet.",
)
@click.option("--file-column", metavar="HEADING", help=f"Its column of files. [default: {', '.join(FILE_COLUMNS)}]")
@click.option(
    "--column", "renamed", multiple=True, metavar="NAME=HEADING", help="A column of it that has another name."
)
@with_settings
def command(
    settings: Settings,
    paths: tuple[str, ...],
    prefix: str,
    wait: bool,
    catalogue: Path | None,
    file_column: str | None,
    renamed: tuple[str, ...],
) -> None:
    """Upload images to the images bucket, where they are classified.

    PATH is a file, a folder (with all image files in it, at any depth) or a quoted pattern such as 'night/**/*.png'. An
    object key is the prefix and the path below the folder, or below what stands before the pattern's first wildcard.

    What else stands in a folder, by its name no image, is named and counted at the end.

    What the bucket already holds, by key, size and MD5, is skipped: after an interruption, say the same again.

    With --wait, what further models say is shown, too, as long as their results keep coming. An image that is deleted or replaced
    meanwhile is named and waited for no longer; the exit status is 1 then.

    Of a catalogue the columns object_id, ra, dec, survey, pixel_scale, size_arcsec and zoom are told of the file that its row
    names, by key, path, any end of that, or name without suffix. What is wrong in it is named and counted, and costs no image.
    """
    columns = named_columns(renamed, [field.name for field in FIELDS])
    if not catalogue and (file_column or columns):
        raise click.UsageError("--file-column and --column go with --catalogue.")
    try:
        found = find_images(paths, prefix)
    except InvalidRequest as error:
        raise click.UsageError(error.detail) from None
    store = Store(settings)
    unreadable = [Outcome(ImageFile(path, ""), "failed", reason) for path, reason in found.unreadable.items()]
    pairing = _pairing(catalogue, file_column, columns, found.files) if catalogue else Pairing()
    _leave_uploads(settings, pairing)
    bar, advance = progress(console(stderr=True), "dropping", len(found.files))
    with bar:
        outcomes = unreadable + drop_files(store, found.files, advance, pairing.told)
    for outcome in outcomes:
        if outcome.state == "failed":
            click.secho(f"failed: {printable(str(outcome.file.path))}: {printable(outcome.reason)}", fg="red", err=True)
    _name_left_out(found.left_out)
    _name_amiss(pairing)
    click.echo(_summary(outcomes, found.left_out, pairing, bool(catalogue)))
    dropped = [outcome.file.key for outcome in outcomes if outcome.state != "failed"]
    gone = _wait(store, dropped, pairing.told) if wait else []
    for key in gone:
        click.secho(f"no result: {printable(key)}: the image was {GONE} meanwhile", fg="red", err=True)
    if failed := sum(outcome.state == "failed" for outcome in outcomes):
        raise PermanentError(f"{failed} of {len(outcomes)} files were not dropped", "Each is named above")
    if gone:
        raise PermanentError(f"{len(gone)} of {len(dropped)} images can have no result any more", "Each is named above")
    if _UNUSABLE in pairing.amiss:
        raise PermanentError(pairing.amiss[_UNUSABLE][0], "The images are dropped; drop again with the right catalogue")


def _pairing(path: Path, file_column: str | None, columns: Mapping[str, str], files: list[ImageFile]) -> Pairing:
    """What the catalogue tells of the files; when it cannot be used, that is told, and the images go without."""
    try:
        return pair(read_rows(path, file_column, columns), files)
    except InvalidRequest as error:
        return Pairing(amiss={_UNUSABLE: [error.detail]})


def _leave_uploads(settings: Settings, pairing: Pairing) -> None:
    """Tell nothing of files where strangers upload: what is told there counts for nothing, since they could tell it, too."""
    for key in [key for key in pairing.told if is_upload(settings, key)]:
        del pairing.told[key]
        pairing.amiss[f"file below {UPLOADS}, of which nothing is told"].append(key)


def _summary(outcomes: list[Outcome], left_out: Mapping[Path, str], pairing: Pairing, catalogue: bool) -> str:
    states = Counter(outcome.state for outcome in outcomes)
    counts = [f"{states['dropped']} dropped", f"{states['skipped']} skipped", f"{states['failed']} failed"]
    if catalogue:
        counts.insert(1, f"{states['told']} told anew")
    if left_out:
        counts.append(f"{len(left_out)} left out")
    amiss = (f"{len(sentences)} × {kind}" for kind, sentences in pairing.amiss.items())
    told = [f"catalogue: {len(pairing.told)} files known", *amiss] if catalogue else []
    return "\n".join(", ".join(line) for line in (counts, told) if line)


def _name_amiss(pairing: Pairing) -> None:
    for kind, sentences in pairing.amiss.items():
        for sentence in sentences[:_NAMED]:
            click.secho(f"catalogue: {kind}: {printable(sentence)}", fg="yellow", err=True)
        if len(sentences) > _NAMED:
            click.echo(f"catalogue: {kind}: {len(sentences) - _NAMED:,} more", err=True)


def _name_left_out(left_out: Mapping[Path, str]) -> None:
    for path, reason in islice(left_out.items(), _NAMED):
        click.echo(f"left out: {printable(str(path))}: {reason}", err=True)
    if len(left_out) > _NAMED:
        rest = Counter(path.suffix.lower() or "no suffix" for path in islice(left_out, _NAMED, None))
        kinds = ", ".join(f"{count} with {printable(suffix)}" for suffix, count in rest.most_common(_NAMED))
        click.echo(f"left out: {len(left_out) - _NAMED:,} more: {kinds}", err=True)


def _wait(store: Store, keys: list[str], told: Mapping[str, Told]) -> list[str]:
    """Show the results of images once they are there; gives the keys of those that went meanwhile."""
    images = {key: info.etag for key, info in look_up(store, store.settings.images_bucket, keys).items()}
    bar, advance = progress(console(stderr=True), "waiting for results", len(images))
    with bar:
        results, gone = gathered(wait_for(store, images, told), advance=advance)
    rows = with_further(store, results, told)
    out = console()
    out.print(result_table(out, [rows[key] for key in sorted(rows)], further_models(store.settings)))
    lost = (set(keys) - images.keys()) | set(gone)
    return [key for key in keys if key in lost]
