"""``cosmoformer promote``: another version becomes the one that is served."""

from __future__ import annotations

import click

from cosmoformer.cli.environment import with_settings
from cosmoformer.promotion import find_version, promote, verify
from cosmoformer.registry import ModelVersion, Registry
from cosmoformer.settings import Settings


@click.command(
    epilog="""\b
Examples:
  cosmoformer promote 7
  cosmoformer promote 7 --alias challenger
"""
)
@click.argument("version", type=click.IntRange(1))
@click.option("--alias", default=None, help="Alias to move.  [default: MODEL_ALIAS, that is champion]")
@click.option(
    "--force", is_flag=True, help="Move the alias without any check. Functions check for themselves all the same."
)
@with_settings
def command(settings: Settings, version: int, alias: str | None, force: bool) -> None:
    """Download VERSION, check it as the functions will, and only then point the alias to it.

    Its digest is compared with its tag and, where torch is installed, its self-check is run; a version that fails changes
    nothing. The version that was champion before becomes MODEL_FALLBACK_ALIAS, which fresh processes serve when the champion
    fails them; so promoting it again is the way back. An interrupted promotion is completed by the same command.
    """
    registry = Registry(settings)
    move_alias(registry, find_version(registry, version), alias or settings.model_alias, force=force)


def move_alias(registry: Registry, version: ModelVersion, alias: str, *, force: bool = False) -> None:
    """Promote a version and print what changed.

    Raises:
        ModelRefused: the version fails its check; nothing was changed.
        RegistryUnavailable: MLflow does not answer.
    """
    settings = registry.settings

    def check(candidate: ModelVersion) -> None:
        complete = verify(registry, candidate)
        how = "digest and self-check" if complete else "digest (no self-check: torch is not installed here)"
        click.echo(f"version {candidate.version}: {how} passed")

    done = promote(registry, version, alias=alias, check=(lambda _: None) if force else check)
    click.echo(f"{alias}: {_arrow(done.before, done.after)}")
    if done.fallback_after != done.fallback_before:
        click.echo(f"{settings.model_fallback_alias}: {_arrow(done.fallback_before, done.fallback_after)}")
    if done.unfit:
        click.secho(f"{settings.model_fallback_alias} stays: version {done.before} is unfit: {done.unfit}", fg="yellow")
    if alias == settings.model_alias and done.before != done.after:
        click.echo(f"running functions follow within {settings.model_recheck_seconds:g} s (MODEL_RECHECK_SECONDS)")


def _arrow(before: int | None, after: int | None) -> str:
    return f"{before or 'none'} → {after}" if before != after else f"{after} already"
