"""``cosmoformer drop``: image files into the images bucket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

import click

from cosmoformer.cli.commands.results import result_table
from cosmoformer.cli.environment import with_settings
from cosmoformer.errors import InvalidRequest, PermanentError
from cosmoformer.settings import Settings
from cosmoformer.storage.dropping import Outcome, drop_files
from cosmoformer.storage.image_files import ImageFile, find_images
from cosmoformer.storage.results import Result
from cosmoformer.storage.store import Store
from cosmoformer.storage.watching import look_up, wait_for
from cosmoformer.terminal import console, progress
from cosmoformer.text import printable

_NAMED = 20  # of what is left out, one by one


@click.command(
    epilog="""\b
Examples:
  cosmoformer drop ~/galaxies --prefix night-1/
  cosmoformer drop 'survey/**/*.fits' --wait
"""
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--prefix", default="", help="Start of every object key.")
@click.option("--wait", is_flag=True, help="Wait until every image has its result, and show them.")
@with_settings
def command(settings: Settings, paths: tuple[str, ...], prefix: str, wait: bool) -> None:
    """Upload images to the images bucket, where they are classified.

    PATH is a file, a folder (with all image files in it, at any depth) or a quoted pattern such as 'night/**/*.png'. An
    object key is the prefix and the path below the folder, or below what stands before the pattern's first wildcard.

    What else stands in a folder, by its name no image, is named and counted at the end.

    What the bucket already holds, by key, size and MD5, is skipped: after an interruption, say the same again.
    """
    try:
        found = find_images(paths, prefix)
    except InvalidRequest as error:
        raise click.UsageError(error.detail) from None
    store = Store(settings)
    unreadable = [Outcome(ImageFile(path, ""), "failed", reason) for path, reason in found.unreadable.items()]
    bar, advance = progress(console(stderr=True), "dropping", len(found.files))
    with bar:
        outcomes = unreadable + drop_files(store, found.files, advance)
    counts = {state: sum(outcome.state == state for outcome in outcomes) for state in ("dropped", "skipped", "failed")}
    for outcome in outcomes:
        if outcome.state == "failed":
            click.secho(f"failed: {printable(str(outcome.file.path))}: {printable(outcome.reason)}", fg="red", err=True)
    _name_left_out(found.left_out)
    summary = ", ".join(f"{count} {state}" for state, count in counts.items())
    click.echo(f"{summary}, {len(found.left_out)} left out" if found.left_out else summary)
    if wait:
        _wait(store, [outcome.file.key for outcome in outcomes if outcome.state != "failed"])
    if counts["failed"]:
        raise PermanentError(f"{counts['failed']} of {len(outcomes)} files were not dropped", "Each is named above")


def _name_left_out(left_out: Mapping[Path, str]) -> None:
    for path, reason in islice(left_out.items(), _NAMED):
        click.echo(f"left out: {printable(str(path))}: {reason}", err=True)
    if len(left_out) > _NAMED:
        rest = Counter(path.suffix.lower() or "no suffix" for path in islice(left_out, _NAMED, None))
        kinds = ", ".join(f"{count} with {printable(suffix)}" for suffix, count in rest.most_common(_NAMED))
        click.echo(f"left out: {len(left_out) - _NAMED:,} more: {kinds}", err=True)


def _wait(store: Store, keys: list[str]) -> None:
    images = {key: info.etag for key, info in look_up(store, store.settings.images_bucket, keys).items()}
    results = sorted(_waited_for(store, images), key=lambda result: str(result["image"]["key"]))
    out = console()
    out.print(result_table(out, results))


def _waited_for(store: Store, images: Mapping[str, str]) -> Iterator[Result]:
    bar, advance = progress(console(stderr=True), "waiting for results", len(images))
    done = 0
    with bar:
        for results in wait_for(store, images):
            yield from results
            done += len(results)
            advance(done)
