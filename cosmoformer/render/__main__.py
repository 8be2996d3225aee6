"""Command line of the renderer."""

from __future__ import annotations

import time
from pathlib import Path

import click

from cosmoformer.cpus import cpu_limit
from cosmoformer.render.catalogue import SIDE, write_catalogue
from cosmoformer.render.foreign import write_foreign
from cosmoformer.render.samples import write_samples
from cosmoformer.terminal import console, progress

_SEED_HELP = "Decides what the pictures look like."


class _PicturesUnlessNamed(click.Group):
    """A group whose first command needs no name: ``python -m cosmoformer.render FOLDER`` draws pictures."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["pictures", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_PicturesUnlessNamed)
def main() -> None:
    """Render galaxies, and pictures that are none. A FOLDER alone stands for `pictures FOLDER`."""


@main.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--foreign",
    metavar="COUNT",
    type=click.IntRange(min=1),
    help="So many pictures that are no galaxy instead, 224 x 224.",
)
@click.option("--seed", default=0, show_default=True, help=f"{_SEED_HELP} Of --foreign.")
def pictures(folder: Path, foreign: int | None, seed: int) -> None:
    """Render the sample galaxies into FOLDER, one JPEG of 424 x 424 pixels each, and list the files.

    FOLDER is made if it does not exist; files of the same names are replaced.
    """
    for path in write_foreign(folder, foreign, seed) if foreign else write_samples(folder):
        click.echo(path)


@main.command()
@click.option("--count", type=click.IntRange(min=1), default=20_000, show_default=True, help="How many galaxies.")
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Parquet file to write, such as galaxies/inclination.parquet; a file of this name is replaced.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help=_SEED_HELP)
@click.option("--size", default=SIDE, show_default=True, type=click.IntRange(min=16), help="Side of a picture, pixels.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes that draw (default: one for each CPU).")
def catalogue(count: int, out: Path, seed: int, size: int, workers: int | None) -> None:
    """Render disc galaxies of known inclination into one parquet file, with all that is known of them."""
    bar, done = progress(console(stderr=True), "galaxies", count)
    began = time.monotonic()
    with bar:
        write_catalogue(out, count, seed=seed, size=size, workers=workers or cpu_limit(), done=done)
    click.echo(f"{out}: {count:,} galaxies, {count / (time.monotonic() - began):,.0f} a second")


if __name__ == "__main__":
    main(prog_name="python -m cosmoformer.render")
