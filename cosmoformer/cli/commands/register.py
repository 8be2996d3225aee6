"""``cosmoformer register``: an artifact file becomes a version."""

from __future__ import annotations

from pathlib import Path

import click

from cosmoformer.cli.commands.promote import move_alias
from cosmoformer.cli.environment import with_settings
from cosmoformer.models import artifact
from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.settings import Settings


def _pairs(_: click.Context, __: click.Parameter, words: tuple[str, ...]) -> dict[str, str]:
    """``NAME=VALUE`` words as a mapping."""
    for word in words:
        if not word.partition("=")[0] or "=" not in word:
            raise click.BadParameter(f"expected NAME=VALUE, got {word!r}")
    return {name: value for name, _, value in (word.partition("=") for word in words)}


@click.command(
    epilog="""\b
Example:
  cosmoformer register model.pt --tag accuracy=0.957 --alias challenger
"""
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--alias", help="Then promote the version to this alias, as `cosmoformer promote` does.")
@click.option(
    "--tag", "tags", multiple=True, metavar="NAME=VALUE", callback=_pairs, help="Tag of the version; any number."
)
@click.option("--description", default="", help="Of the version, Markdown.")
@with_settings
def command(settings: Settings, file: Path, alias: str | None, tags: dict[str, str], description: str) -> None:
    """Register an artifact, as `training.export` writes it, as a new version of the model.

    The version is tagged with the artifact's task, labels and data version. Where torch is installed, a file that fails its
    self-check is refused.
    """
    content = file.read_bytes()
    check_artifact(content)
    registry = Registry(settings)
    version = register(registry, content, tags=tags, description=description)
    click.echo(f"{version.name} version {version.version}, sha256 {version.sha256[:12]}…")
    if alias:
        move_alias(registry, version, alias)


def check_artifact(content: bytes) -> None:
    """Refuse what cannot be served; without torch, say that nothing was checked.

    Raises:
        ModelRefused: the file is no artifact, or fails its self-check.
    """
    try:
        artifact.load(content)
    except ImportError:
        click.echo("torch is not installed here: the file is registered unchecked")
