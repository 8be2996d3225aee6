"""``cosmoformer sweep``: announce images that have no result."""

from __future__ import annotations

import click

from cosmoformer.cli.environment import with_settings
from cosmoformer.services import Service
from cosmoformer.settings import Settings

_TIMEOUT_S = 3600.0  # a sweep lists the whole bucket before it answers


@click.command(
    epilog="""\b
Examples:
  cosmoformer sweep --dry-run
  cosmoformer sweep --prefix night-1/ --again stale
"""
)
@click.option("--prefix", default="", help="Only images whose object key starts with this.")
@click.option("--deep", is_flag=True, help="Read every result, to find those of an image that was replaced since.")
@click.option(
    "--again",
    type=click.Choice(["rejected", "stale", "all"]),
    help="Announce again also images with a result: rejected ones, those judged by another model than the champion, by name,"
    " version or digest (stale), or all.",
)
@click.option("--model", default="", help="Look for results of this further model (SERVED_MODELS), and tell it alone.")
@click.option("--dry-run", is_flag=True, help="Count only, announce nothing.")
@click.option(
    "--min-age",
    type=click.FloatRange(0),
    default=0,
    show_default=True,
    metavar="S",
    help="Leave images younger than S seconds out.",
)
@with_settings
def command(
    settings: Settings, prefix: str, deep: bool, again: str | None, model: str, dry_run: bool, min_age: float
) -> None:
    """Announce again the images that have no result, and count them all."""
    ingest = Service(settings.ingest_url, "INGEST_URL", _TIMEOUT_S)
    request = {
        "prefix": prefix or None,
        "deep": deep,
        "again": again,
        "model": model,
        "dry_run": dry_run,
        "min_age_s": min_age,
    }
    counts = ingest.post("/sweep", request)
    for name, count in counts.items():
        click.echo(f"{count:>9,}  {name.replace('_', ' ')}")
