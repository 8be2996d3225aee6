"""``cosmoformer settings``: the table of settings."""

from __future__ import annotations

import os
from collections.abc import Mapping

import click

from cosmoformer.settings import SETTINGS, Setting, as_markdown, load
from cosmoformer.settings_file import effective_environment, read_settings_file, settings_file
from cosmoformer.terminal import console, table, text


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
    as ***.
    """
    if markdown:
        click.echo(as_markdown(), nl=False)
        return
    written = read_settings_file(settings_file())
    effective = effective_environment()
    values, defaults = load(effective), load({})  # a malformed value is an error here as everywhere
    out = console()
    made = table(out, "setting", "value", "from", "what it does")
    for setting in SETTINGS:
        text_value = effective.get(setting.name, setting.default)
        name = setting.name.lower()
        made.add_row(
            setting.name,
            text(
                "***" if setting.secret and text_value else text_value,
                "" if getattr(values, name) == getattr(defaults, name) else "bold",
            ),
            _origin(setting, written, effective),
            text(setting.help, "dim"),
        )
    out.print(made)


def _origin(setting: Setting, written: Mapping[str, str], effective: Mapping[str, str]) -> str:
    # The store's keys come with its address, so a variable of the shell may be there and not count.
    if setting.name in os.environ and os.environ[setting.name] == effective[setting.name]:
        return "environment"
    return "settings.env" if setting.name in written else "default"
