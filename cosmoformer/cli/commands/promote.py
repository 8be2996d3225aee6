"""``cosmoformer promote``: serve another version."""

from __future__ import annotations

import click

from cosmoformer.cli.environment import with_settings
from cosmoformer.models.gate import pass_gate
from cosmoformer.models.promotion import Check, Promotion, find_version, promote, roll_back, verify
from cosmoformer.models.registry import ModelVersion, Registry
from cosmoformer.settings import Settings


def reason(_: click.Context, __: click.Parameter, text: str | None) -> str:
    """A reason in words; empty when the option is not given."""
    if text is not None and not text.strip():
        raise click.BadParameter("expected the reason, got nothing")
    return (text or "").strip()


@click.command(
    epilog="""\b
Examples:
  cosmoformer promote 7
  cosmoformer promote 7 --force "version 6 was trained on the test galaxies"
  cosmoformer promote 7 --alias challenger
  cosmoformer promote --rollback
"""
)
@click.argument("version", type=click.IntRange(1), required=False)
@click.option("--alias", help="Alias to move.  [default: MODEL_ALIAS, that is champion]")
@click.option(
    "--force",
    metavar="REASON",
    callback=reason,
    help="Let VERSION through the gate whatever its figures say. The reason is recorded; a broken version stays refused.",
)
@click.option(
    "--rollback",
    is_flag=True,
    help="Serve the version that MODEL_FALLBACK_ALIAS names, in place of VERSION. The two aliases change places, so doing it"
    " twice ends where it began.",
)
@with_settings
def command(settings: Settings, version: int | None, alias: str | None, force: str, rollback: bool) -> None:
    """Check VERSION as the functions will, compare it with the champion, and only then point the alias to it.

    Its digest is compared with its tag and, where torch is installed, its self-check is run. To become champion it must also
    pass the gate: be right more often than the champion on the same held-out galaxies, with the whole 95 % interval of the
    difference above 0 (paired bootstrap). The figures become tags of VERSION, named gate_…, also when it is refused. A version
    that fails moves no alias. There is no gate where there is no champion yet, and none for another alias.

    The version that was champion before becomes MODEL_FALLBACK_ALIAS, which fresh processes serve when the champion fails
    them, and which --rollback goes back to. A roll-back checks the version and passes no gate; it is recorded as tags of that
    version, named rolled_back_…. An interrupted promotion is completed by the same command.
    """
    registry = Registry(settings)
    if rollback:
        if version or alias or force:
            raise click.UsageError("--rollback takes neither VERSION nor --alias nor --force.")
        _print(settings, roll_back(registry, check=_printing_check(registry)))
        return
    if version is None:
        raise click.UsageError("Give either VERSION or --rollback.")
    alias = alias or settings.model_alias
    if force and alias != settings.model_alias:
        raise click.UsageError(f"Only {settings.model_alias} has a gate: --force does nothing for {alias}.")
    move_alias(registry, find_version(registry, version), alias, force=force)


def move_alias(registry: Registry, version: ModelVersion, alias: str, *, force: str = "") -> None:
    """Promote a version and print what changed.

    Args:
        registry: where to.
        version: the version.
        alias: alias to move.
        force: why the version passes the gate whatever its figures say; empty when they decide.

    Raises:
        ModelRefused: the version fails its check or the gate; no alias was moved.
        RegistryUnavailable: MLflow does not answer.
    """

    def gate(candidate: ModelVersion, champion: ModelVersion) -> None:
        decision = pass_gate(registry, candidate, champion, force=force)
        click.echo(f"gate {decision.result}: {decision.figures}")

    _print(registry.settings, promote(registry, version, alias=alias, check=_printing_check(registry), gate=gate))


def _printing_check(registry: Registry) -> Check:
    def check(candidate: ModelVersion) -> None:
        complete = verify(registry, candidate)
        how = "digest and self-check" if complete else "digest (no self-check: torch is not installed here)"
        click.echo(f"version {candidate.version}: {how} passed")

    return check


def _print(settings: Settings, done: Promotion) -> None:
    fallback = settings.model_fallback_alias
    click.echo(f"{done.alias}: {_arrow(done.before, done.after)}")
    if done.fallback_after != done.fallback_before:
        click.echo(f"{fallback}: {_arrow(done.fallback_before, done.fallback_after)}")
    if done.unfit:
        click.secho(f"{fallback} stays: version {done.before} is unfit: {done.unfit}", fg="yellow")
    if done.alias == settings.model_alias and done.before != done.after:
        click.echo(f"running functions follow within {settings.model_recheck_seconds:g} s (MODEL_RECHECK_SECONDS)")


def _arrow(before: int | None, after: int | None) -> str:
    return f"{before or 'none'} → {after}" if before != after else f"{after} already"
