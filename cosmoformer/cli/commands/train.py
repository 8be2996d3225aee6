"""``cosmoformer train``: the training command, as ``python -m training.train`` has it."""

from __future__ import annotations

import click

from cosmoformer.errors import PermanentError

_OWN = ("cosmoformer", "training")
_EXAMPLE = "\nThe same from here:\n  cosmoformer train --data galaxies --recipe best --out runs/first"


@click.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Train a model on labelled galaxies; every option is one of `python -m training.train`."""
    try:
        from training.train import main
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in _OWN:
            raise
        raise PermanentError(
            f"training needs packages that are not installed here: {error.name} is missing",
            "Install them: pip install 'cosmoformer[train]'",
        ) from None
    try:
        ctx.exit(main(list(arguments)))
    finally:
        if {"-h", "--help"} & set(arguments):
            click.echo(_EXAMPLE)
