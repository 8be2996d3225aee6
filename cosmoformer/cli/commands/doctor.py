"""``cosmoformer doctor``: what is wrong, and how to mend it."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from cosmoformer.doctor import examine
from cosmoformer.doctor.check import Finding
from cosmoformer.errors import SettingsError
from cosmoformer.settings import FUNCTIONS, load
from cosmoformer.settings_file import effective_environment
from cosmoformer.terminal import console, table, text

_CHECKED = (*FUNCTIONS, "command line")
_SIGNS = {"ok": ("✓", "green"), "doubtful": ("!", "yellow"), "wrong": ("✗", "red")}


@click.command(
    epilog="""\b
Examples:
  cosmoformer doctor
  cosmoformer doctor --json
"""
)
@click.option("--json", "as_json", is_flag=True, help="A JSON array of findings.")
def command(as_json: bool) -> None:
    """Check every connection, here or in a cluster, and say what to mend.

    Of each further model (SERVED_MODELS) versions, champion and artifact are checked, too, and whether images lack its results.

    Each line is a check: ✓ well, ! doubtful or not checked, ✗ wrong; what came; how to mend it. Nothing is changed, and the
    classify function of a cluster is not woken. Knative's own settings are read by kubectl, where it is at hand. The exit
    status is 1 when something is wrong.
    """
    findings = _findings()
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1, ensure_ascii=False))
    else:
        _show(findings)
    if any(finding.state == "wrong" for finding in findings):
        raise click.exceptions.Exit(1)


def _findings() -> list[Finding]:
    try:
        settings = load(effective_environment(), judge=_CHECKED)
    except SettingsError as error:  # without them there is nothing to ask
        return [Finding("settings", "wrong", error.detail, error.mend)]
    return examine(settings)


def _show(findings: list[Finding]) -> None:
    out = console()
    made = table(out, "", "check", "what came", "how to mend it")
    for finding in findings:
        sign, style = _SIGNS[finding.state]
        made.add_row(text(sign, style), text(finding.check), text(finding.came), text(finding.mend))
    out.print(made)
