"""``cosmoformer settings``: the table of settings."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import click
from rich.text import Text

from cosmoformer.errors import SettingsError
from cosmoformer.settings import SETTINGS, Setting, as_markdown
from cosmoformer.settings_file import effective_environment, read_settings_file, settings_file
from cosmoformer.terminal import console, table, text

_USER_IN_ADDRESS = re.compile(r"(?<=://)[^/@\s]+@")


@click.command(
    epilog="""\b
Examples:
  cosmoformer settings
  cosmoformer settings --markdown > docs/settings.md
"""
)
@click.option("--markdown", is_flag=True, help="Print docs/settings.md instead: defaults, not values.")
def command(markdown: bool) -> None:
    """Show every setting, its value, and where the value comes from.

    The environment comes first, then what `cosmoformer up` wrote to DATA_DIR/settings.env, then the default. Secrets are shown
    as ***. A malformed value is said to be so; it is an error for those commands only that use it.
    """
    if markdown:
        click.echo(as_markdown(), nl=False)
        return
    written = read_settings_file(settings_file())
    effective = effective_environment()
    out = console()
    made = table(out, "setting", "value", "from", "what it does")
    for setting in SETTINGS:
        made.add_row(
            setting.name,
            _value(setting, effective.get(setting.name)),
            _origin(setting, written, effective),
            text(setting.help, "dim"),
        )
    out.print(made)


def _value(setting: Setting, given: str | None) -> Text:
    """As it was given; in red, with what is wrong, if whoever uses the setting will refuse it."""
    value = setting.default if given is None else given
    shown = "***" if setting.secret and value else _USER_IN_ADDRESS.sub("***@", value)
    try:
        return text(shown, "" if setting.read(given) == setting.read(None) else "bold")
    except SettingsError as error:
        return text(f"malformed: {error.detail}", "red")


def _origin(setting: Setting, written: Mapping[str, str], effective: Mapping[str, str]) -> str:
    # The store's keys come with its address, so a variable of the shell may be there and not count.
    if setting.name in os.environ and os.environ[setting.name] == effective[setting.name]:
        return "environment"
    return "settings.env" if setting.name in written else "default"
