"""The command line. Each command is a module of its own, imported only when it is asked for.

A command fails with one red line that says what was expected, what came and how to mend it, and exit status 1; a wrong
call of it has exit status 2.
"""

from __future__ import annotations

from gettext import gettext
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import IO, Any

import click

from cosmoformer.errors import CosmoFormerError

# Name -> what `cosmoformer --help` says of it, in the order of a first day's work.
COMMANDS = {
    "up": "Run everything on this machine.",
    "status": "Say what answers and how much there is.",
    "doctor": "Check every connection and say what to mend.",
    "drop": "Upload images, to be classified.",
    "results": "Show or export results.",
    "similar": "Find galaxies that look alike, or like no other.",
    "classify": "Classify image files at once, without storing them.",
    "sweep": "Announce again the images that have no result.",
    "replay": "List dead letters or send them again.",
    "prune": "Delete results whose images are gone.",
    "models": "List the versions of the model.",
    "promote": "Check a version of the model, then serve it.",
    "canary": "Let another version judge a share, on a cluster.",
    "register": "Register an artifact file as a new version of the model.",
    "publish": "Publish a model and its card on Hugging Face.",
    "train": "Train a model on labelled galaxies.",
    "import-run": "Import a training run recorded elsewhere into MLflow.",
    "settings": "Show every setting and its value.",
}


class _Failure(click.ClickException):
    def __init__(self, error: CosmoFormerError) -> None:
        super().__init__(f"{error.detail} / {error.mend}" if error.mend else error.detail)

    def show(self, file: IO[Any] | None = None) -> None:
        line = " ".join(self.format_message().split())
        click.secho(f"error: {line}", fg="red", err=True, file=file)


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"cosmoformer.cli.commands.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section(gettext("Commands")):  # from the table, so that help imports no command
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CosmoFormerError as error:
            raise _Failure(error) from error


def _version() -> str:
    try:
        return version("cosmoformer")
    except PackageNotFoundError:
        return "(not installed)"


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
Example:
  cosmoformer up
""",
)
@click.version_option(_version(), prog_name="cosmoformer")
def main() -> None:
    """Classify galaxies by their shape, event by event.

    Every command works on the store, registry and functions that the settings name (`cosmoformer settings`): those that
    `cosmoformer up` runs here, or those of a cluster.
    """
