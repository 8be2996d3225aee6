"""Command line of the renderer."""

from __future__ import annotations

from pathlib import Path

import click

from cosmoformer.render.foreign import write_foreign
from cosmoformer.render.samples import write_samples


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--foreign",
    metavar="COUNT",
    type=click.IntRange(min=1),
    help="So many pictures that are no galaxy instead, 224 x 224.",
)
@click.option("--seed", default=0, show_default=True, help="Decides what the pictures of --foreign look like.")
def main(folder: Path, foreign: int | None, seed: int) -> None:
    """Render the sample galaxies into FOLDER, one JPEG of 424 x 424 pixels each, and list the files.

    FOLDER is made if it does not exist; files of the same names are replaced.
    """
    for path in write_foreign(folder, foreign, seed) if foreign else write_samples(folder):
        click.echo(path)


if __name__ == "__main__":
    main(prog_name="python -m cosmoformer.render")
