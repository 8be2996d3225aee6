"""Command line of the renderer."""

from __future__ import annotations

from pathlib import Path

import click

from cosmoformer.render.samples import write_samples


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def main(folder: Path) -> None:
    """Render the sample galaxies into FOLDER, one JPEG of 424 x 424 pixels each, and list the files.

    FOLDER is made if it does not exist; files of the same names are replaced.
    """
    for path in write_samples(folder):
        click.echo(path)


if __name__ == "__main__":
    main(prog_name="python -m cosmoformer.render")
