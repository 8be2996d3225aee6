"""``cosmoformer canary``: try another version on a share of the images, on a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from cosmoformer.cli.commands.promote import move_alias, reason
from cosmoformer.cli.environment import with_settings
from cosmoformer.cluster import canary as canaries
from cosmoformer.cluster.canary import Canary, CanaryRelease
from cosmoformer.cluster.kubectl import Kubectl
from cosmoformer.errors import PermanentError
from cosmoformer.models.promotion import find_version
from cosmoformer.models.registry import Registry
from cosmoformer.settings import Settings

_namespace = click.option(
    "--namespace", "-n", default="", help="Namespace of the functions.  [default: that of kubectl's context]"
)


@click.group(
    epilog="""\b
Examples:
  cosmoformer canary start 7 --percent 10
  cosmoformer canary start 7 --percent 50
  cosmoformer canary promote
  cosmoformer canary abort
"""
)
def command() -> None:
    """Let another version of the model judge a share of the images, on a cluster.

    Needs kubectl, with the right to change the Knative Service classify, and MLflow at MLFLOW_TRACKING_URI.
    """


@command.command()
@click.argument("version", type=click.IntRange(1))
@click.option(
    "--percent", type=click.IntRange(0, 100), default=10, show_default=True, help="Its share of the requests."
)
@_namespace
@with_settings
def start(settings: Settings, version: int, percent: int, namespace: str) -> None:
    """Give VERSION a share of the traffic, events included; said again, change the share.

    VERSION is checked as `cosmoformer promote` checks it and gets an alias of its own, canary-VERSION, which a new revision of
    classify serves and nothing else. The champion and its revision stay as they are.
    """
    release = _release(namespace)
    release.check_free(version)
    registry = Registry(settings)
    move_alias(registry, find_version(registry, version), canaries.alias(version))
    with _interruptible(f"cosmoformer canary start {version} --percent {percent}"):
        _print(release.start(version, percent))


@command.command()
@_namespace
def status(namespace: str) -> None:
    """Say which revisions share the traffic."""
    _print(_release(namespace).now())


@command.command()
@click.option(
    "--force",
    metavar="REASON",
    callback=reason,
    help="Through the gate of `cosmoformer promote`, whatever the figures.",
)
@_namespace
@with_settings
def promote(settings: Settings, force: str, namespace: str) -> None:
    """Make the canary's version the champion, and give all traffic to the revision that follows the champion."""
    release, registry = _release(namespace), Registry(settings)
    version = release.now().version
    if version is not None:  # None: the step after this one was interrupted
        move_alias(registry, find_version(registry, version), settings.model_alias, force=force)
    with _interruptible("cosmoformer canary promote"):
        release.end()


@command.command()
@_namespace
def abort(namespace: str) -> None:
    """Take the traffic from the canary; the champion judges everything again.

    `cosmoformer sweep --again stale` lets it judge also what the canary judged.
    """
    with _interruptible("cosmoformer canary abort"):
        _release(namespace).end()


@contextmanager
def _interruptible(again: str) -> Iterator[None]:
    """Ctrl-C stops between two changes of the Service, each of which leaves it sound; print how to go on and how to go back."""
    try:
        yield
    except KeyboardInterrupt:
        back = "; `cosmoformer canary abort` goes back" if " start " in again else ""
        click.echo(f"interrupted: `{again}` goes on{back}", err=True)
        raise SystemExit(130) from None


def _release(namespace: str) -> CanaryRelease:
    return CanaryRelease(Kubectl(namespace), click.echo)


def _print(canary: Canary) -> None:
    if canary.version is None:
        raise PermanentError("no canary is running", "`cosmoformer canary start VERSION` starts one")
    click.echo(
        f"version {canary.version}: {canary.percent} % at {canary.revision or 'no revision yet'}; {canary.url}".rstrip(
            "; "
        )
    )
    click.echo(f"champion: {100 - canary.percent} % at {canary.stable}")
