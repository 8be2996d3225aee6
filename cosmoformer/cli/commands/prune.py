"""``cosmoformer prune``: results of deleted images."""

from __future__ import annotations

import click

from cosmoformer.cli.environment import with_settings
from cosmoformer.errors import PermanentError
from cosmoformer.parallel import map_stream
from cosmoformer.settings import Settings
from cosmoformer.storage import copies, features
from cosmoformer.storage.pruning import orphans, prune
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
    """Delete the results whose images under PREFIX are gone.

    Deleting an image leaves its result: nothing but this command deletes one. Each image is looked for once more right before.
    """
    store = Store(settings)
    found = list(orphans(store, prefix))
    for orphan in found:
        click.echo(printable(orphan.image_key))
    if dry_run or not found:
        click.echo(f"{_results(len(found))} of images that are gone", err=True)
        return
    if not even_all and next(store.list(settings.images_bucket, prefix), None) is None:
        raise PermanentError(
            f"not one image is left in {settings.images_bucket!r}" + (f" under {prefix!r}" if prefix else ""),
            "Is IMAGES_BUCKET right? If they were all deleted on purpose: --even-all",
        )
    if not yes:
        click.confirm(f"Delete {_results(len(found))} of images that are gone?", abort=True, err=True)
    pruned = 0
    for start in range(0, len(found), _AT_ONCE):
        some = found[start : start + _AT_ONCE]
        # The results last: whoever ends this in between finds those that are left again, but nothing else by itself.
        features.forget(store, [orphan.image_key for orphan in some])
        copies.forget(store, settings.copies_prefix, [orphan.key for orphan in some])
        pruned += sum(map_stream(lambda orphan: prune(store, orphan), some))
    click.echo(f"{_results(pruned)} deleted", err=True)


def _results(count: int) -> str:
    return f"{count:,} result{'s' * (count != 1)}"
