"""``cosmoformer import-run``: a training run recorded elsewhere comes into MLflow."""

from __future__ import annotations

from pathlib import Path

import click

from cosmoformer.cli.commands.promote import move_alias
from cosmoformer.cli.commands.register import check_artifact
from cosmoformer.cli.environment import with_settings
from cosmoformer.models.registry import Registry
from cosmoformer.runs.importing import Imported, RunImport, import_size
from cosmoformer.runs.registration import register_run
from cosmoformer.settings import Settings
from cosmoformer.terminal import console, progress
from cosmoformer.text import printable

_KIB = 1024


@click.command(
    epilog="""\b
Examples:
  cosmoformer import-run runs/first
  cosmoformer import-run runs/first --register --promote
"""
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--register", "to_register", is_flag=True, help="Then register the run's model as a new version.")
@click.option(
    "--promote",
    "to_promote",
    is_flag=True,
    help="Then promote that version, as `cosmoformer promote` does, gate and all.",
)
@with_settings
def command(settings: Settings, folder: Path, to_register: bool, to_promote: bool) -> None:
    """Import a training run, recorded in FOLDER, into MLflow: parameters, figures with their times, and all artifacts.

    For runs on machines that cannot reach MLflow: copy the run's folder here, and import it. Only what MLflow lacks is sent, so
    an import that was interrupted, or one of a run still under way, is completed by the same command. The run appears in the
    experiment MODEL_NAME.
    """
    if to_promote and not to_register:
        raise click.UsageError("--promote goes with --register.")
    registry = Registry(settings)
    imported = _import(registry, folder)
    click.echo(
        f"{printable(imported.info.run)}, {imported.info.status}: {imported.values:,} metric values and"
        f" {imported.files:,} files were sent"
    )
    click.echo(imported.url)
    if to_register:
        version = register_run(registry, folder, imported.run_id, check=check_artifact)
        click.echo(f"{version.name} version {version.version}, sha256 {version.sha256[:12]}…")
        if to_promote:
            move_alias(registry, version, settings.model_alias)


def _import(registry: Registry, folder: Path) -> Imported:
    bar, advance = progress(console(stderr=True), "importing, KiB", import_size(folder) // _KIB)
    with bar:
        return RunImport(registry, folder, lambda done: advance(done // _KIB))()
