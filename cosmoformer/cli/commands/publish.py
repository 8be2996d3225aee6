"""``cosmoformer publish``: artifact and card go to Hugging Face."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from cosmoformer.cli.environment import with_settings
from cosmoformer.models import artifact
from cosmoformer.models.promotion import find_version
from cosmoformer.models.registry import Registry
from cosmoformer.publishing import hub, publication
from cosmoformer.publishing.hub_files import OPTIONAL_FILES, hub_files, write_files
from cosmoformer.publishing.publication import Publication
from cosmoformer.settings import Settings
from cosmoformer.terminal import console, table, text


@click.command(
    epilog="""\b
Examples:
  cosmoformer publish my-name/cosmoformer
  cosmoformer publish my-name/cosmoformer --version 7 --private
  cosmoformer publish my-name/cosmoformer --run runs/first --dry-run --out prepared
"""
)
@click.argument("repository", metavar="OWNER/NAME")
@click.option(
    "--version",
    "number",
    type=click.IntRange(1),
    help="Publish this version.  [default: the one that MODEL_ALIAS names]",
)
@click.option(
    "--run",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Publish the model of the training run in this folder instead.",
)
@click.option("--bundled", is_flag=True, help="Publish the model that comes with CosmoFormer instead.")
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    metavar="OWNER/NAME",
    help="Data set on the Hub that the model was trained on, for its page; any number.",
)
@click.option("--private", is_flag=True, help="Make the repository a private one. One that exists stays as it is.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Keep the files in this folder too.")
@click.option("--dry-run", is_flag=True, help="Prepare the files and list them, but send nothing; no token is needed.")
@with_settings
def command(
    settings: Settings,
    repository: str,
    number: int | None,
    folder: Path | None,
    bundled: bool,
    datasets: tuple[str, ...],
    private: bool,
    out: Path | None,
    dry_run: bool,
) -> None:
    """Publish an artifact and its card in the model repository OWNER/NAME on Hugging Face.

    The repository, which is made if it is missing, gets in one commit: model.pt; README.md, which is the card with the metadata
    that Hugging Face reads, and how to load the model; config.json; and report.json, where the model was evaluated. Before, the
    digest is compared and, where torch is installed, the self-check is run.

    Needs the extra `publish`, and a token that may write: HF_TOKEN, or `hf auth login`. HF_ENDPOINT names another Hub.
    """
    if sum((number is not None, folder is not None, bundled)) > 1:
        raise click.UsageError("Give one of --version, --run and --bundled.")
    for name in (repository, *datasets):
        hub.check_name(name)
    api = None if dry_run else hub.connect()  # before anything slow
    publication = _publication(settings, number, folder, bundled)
    _check(publication)
    files = hub_files(publication, repository, datasets)
    if out:
        write_files(files, out)
    _show(files)
    message = f"{publication.origin}, sha256 {publication.sha256[:12]}"
    if api is None:
        kind = "private " if private else ""
        click.echo(
            f"dry run: nothing was sent. It would be one commit to the {kind}model repository {repository}: {message}"
        )
        return
    absent = [name for name in OPTIONAL_FILES if name not in files]
    click.echo(hub.upload(api, repository, files, absent=absent, message=message, private=private))


def _publication(settings: Settings, number: int | None, folder: Path | None, bundled: bool) -> Publication:
    if bundled:
        return publication.of_bundled(settings.model_name)
    if folder:
        return publication.of_run(folder)
    registry = Registry(settings)
    version = registry.resolve(settings.model_alias) if number is None else find_version(registry, number)
    return publication.of_version(registry, version)


def _check(publication: Publication) -> None:
    """Refuse a model that does not work; say what is missing for a good page."""
    try:
        artifact.load(publication.artifact)
        click.echo(f"{publication.origin}: self-check passed")
    except ImportError:
        click.echo(f"{publication.origin}: no self-check, since torch is not installed here")
    if not publication.card:
        click.secho("there is no card: README.md will say no more than how to load the model", fg="yellow", err=True)


def _show(files: Mapping[str, bytes]) -> None:
    out = console()
    made = table(out, "file", ">bytes", "sha256")
    for name, content in files.items():
        made.add_row(text(name), text(f"{len(content):,}"), text(artifact.digest(content)))
    out.print(made)
