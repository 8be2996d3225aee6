"""``cosmoformer models``: what is registered."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from cosmoformer.cli.environment import with_settings
from cosmoformer.models.gate import RIGHT_TAG
from cosmoformer.models.registry import DIGEST_TAG, ModelVersion, Registry
from cosmoformer.settings import Settings
from cosmoformer.terminal import console, table, text

_LONG_TAGS = (DIGEST_TAG, RIGHT_TAG)  # for programs: `--json` has them
_DIGITS = 12  # of a digest or run that a person compares


@click.command(
    epilog="""\b
Example:
  cosmoformer models
"""
)
@click.option("--json", "as_json", is_flag=True, help="A JSON array, newest version first.")
@with_settings
def command(settings: Settings, as_json: bool) -> None:
    """List the versions of the model, newest first, and the aliases that name them."""
    registry = Registry(settings)
    versions, aliases = registry.versions(), registry.aliases()
    if as_json:
        listed = [asdict(version) | {"aliases": _aliases_of(version, aliases)} for version in versions]
        click.echo(json.dumps(listed, indent=1))
        return
    out = console()
    if not versions:
        out.print(text(f"no version of {settings.model_name!r} is registered"))
        return
    made = table(out, ">version", "aliases", "digest", "run", "tags")
    for version in versions:
        names = ", ".join(_aliases_of(version, aliases))
        tags = ", ".join(f"{key}={value}" for key, value in sorted(version.tags.items()) if key not in _LONG_TAGS)
        made.add_row(
            text(version.version),
            text(names, "green" if settings.model_alias in names.split(", ") else ""),
            text(version.sha256[:_DIGITS]),
            text(version.run_id[:_DIGITS]),
            text(tags),
        )
    out.print(made)


def _aliases_of(version: ModelVersion, aliases: dict[str, int]) -> list[str]:
    return sorted(alias for alias, number in aliases.items() if number == version.version)
