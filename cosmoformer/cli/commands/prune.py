"""``cosmoformer prune``: results of deleted images."""

from __future__ import annotations

from collections.abc import Sequence

import click

from cosmoformer.cli.environment import with_settings
from cosmoformer.errors import PermanentError
from cosmoformer.parallel import map_stream
from cosmoformer.served_models import settings_of_each
from cosmoformer.settings import Settings
from cosmoformer.storage.copies import tidy
from cosmoformer.storage.features import forget
from cosmoformer.storage.pruning import Orphan, orphans, prune
from cosmoformer.storage.results import ResultsBucket
from cosmoformer.storage.store import Store
from cosmoformer.text import printable

_AT_ONCE = 1000


@click.command(
    epilog="""\b
Examples:
  cosmoformer prune --dry-run
  cosmoformer prune night-1/ --yes
"""
)
@click.argument("prefix", default="")
@click.option("--dry-run", is_flag=True, help="Name the results only, delete nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--even-all", is_flag=True, help="Go on although not one image is left under PREFIX.")
@with_settings
def command(settings: Settings, prefix: str, dry_run: bool, yes: bool, even_all: bool) -> None:
    """Delete the results, of every served model, whose images under PREFIX are gone.

    Deleting an image leaves its result: nothing but this command deletes one. Each image is looked for once more right before.
    """
    stores = [Store(one) for one in settings_of_each(settings).values()]
    found = [(store, list(orphans(store, prefix))) for store in stores]
    for image_key in sorted({orphan.image_key for _, some in found for orphan in some}):
        click.echo(printable(image_key))
    count = sum(len(some) for _, some in found)
    if dry_run or not count:
        click.echo(f"{_results(count)} of images that are gone", err=True)
        if not dry_run:
            _tidy(stores)
        return
    if not even_all and next(stores[0].list(settings.images_bucket, prefix), None) is None:
        raise PermanentError(
            f"not one image is left in {settings.images_bucket!r}" + (f" under {prefix!r}" if prefix else ""),
            "Is IMAGES_BUCKET right? If they were all deleted on purpose: --even-all",
        )
    if not yes:
        click.confirm(f"Delete {_results(count)} of images that are gone?", abort=True, err=True)
    pruned = sum(_prune(store, some) for store, some in found)
    click.echo(f"{_results(pruned)} deleted", err=True)
    _tidy(stores)


def _prune(store: Store, found: Sequence[Orphan]) -> int:
    """Delete the results of one model; gives how many were."""
    pruned = 0
    for start in range(0, len(found), _AT_ONCE):
        some = found[start : start + _AT_ONCE]
        # Vectors first: whoever ends this in between finds the results of the rest again, but would find no vector without one.
        forget(store, [orphan.image_key for orphan in some])
        pruned += sum(map_stream(lambda orphan: prune(store, orphan), some))
    return pruned


def _tidy(stores: Sequence[Store]) -> None:
    """Delete copies of results that are no longer there, whoever deleted these, and whenever."""
    for store in stores:
        tidy(store, store.settings.copies_prefix, ResultsBucket(store).entries)


def _results(count: int) -> str:
    return f"{count:,} result{'s' * (count != 1)}"
