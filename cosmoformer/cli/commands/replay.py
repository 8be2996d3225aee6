"""``cosmoformer replay``: list dead letters, or send them again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import click

from cosmoformer.cli.environment import with_settings
from cosmoformer.errors import InvalidRequest
from cosmoformer.health import TIMEOUT_S, set_aside
from cosmoformer.services import Service
from cosmoformer.settings import Settings
from cosmoformer.terminal import console, table, text

_TIMEOUT_S = 3600.0  # all letters are sent before ingest answers
_PAGE = 500
_SHOWN = 160  # characters of the answer that made it a dead letter

Letter = dict[str, Any]


@click.command(
    epilog="""\b
Examples:
  cosmoformer replay --list
  cosmoformer replay night-1/m51.jpg
  cosmoformer replay --all
  cosmoformer replay --forget set-aside/17
"""
)
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@click.option("--list", "listing", is_flag=True, help="Show the dead letters and send none.")
@click.option("--all", "everything", is_flag=True, help="Send every dead letter.")
@click.option("--forget", metavar="KEY", help="Delete a letter that is set aside: one that the store could never take.")
@with_settings
def command(settings: Settings, keys: tuple[str, ...], listing: bool, everything: bool, forget: str | None) -> None:
    """Send events again that were given up: mend first what made them fail.

    KEY is the object key of a dead letter, or of the image that it is about. A letter that the broker takes is kept no longer;
    one that fails again comes back. The broker of `cosmoformer up` sets aside what nobody will ever take, such as an event with
    an id of many thousand characters: it is listed, and not sent again.
    """
    if listing + everything + bool(keys) + bool(forget) != 1:
        raise click.UsageError("Give either keys, --all, --list or --forget.")
    if forget:
        _forget(settings, forget)
        return
    ingest = Service(settings.ingest_url, "INGEST_URL", _TIMEOUT_S)
    if listing:
        _show([*_letters(ingest), *set_aside(settings)])
        return
    request = {"all": True} if everything else {"keys": _chosen(ingest, keys)}
    outcome = ingest.post("/dead-letters/replay", request)
    missing = f", {outcome['missing']} were gone already" if outcome["missing"] else ""
    click.echo(f"{outcome['replayed']} replayed{missing}")


def _letters(ingest: Service) -> Iterator[Letter]:
    after = ""
    while True:
        page = ingest.get("/dead-letters?" + urlencode({"after": after, "limit": _PAGE}))
        yield from page["dead_letters"]
        if not page["next"]:
            return
        after = page["next"]


def _forget(settings: Settings, key: str) -> None:
    if key not in [letter["key"] for letter in set_aside(settings)]:
        raise InvalidRequest(f"no letter {key!r} is set aside", "`cosmoformer replay --list` shows them")
    Service(settings.k_sink, "K_SINK", TIMEOUT_S).send("DELETE", f"/{key}")
    click.echo("forgotten")


def _chosen(ingest: Service, keys: tuple[str, ...]) -> list[str]:
    """Keys of the letters that are named by their own key or by their subject."""
    names = [(letter["key"], letter["event"].get("subject")) for letter in _letters(ingest)]
    unknown = [key for key in keys if not any(key in pair for pair in names)]
    if unknown:
        raise InvalidRequest(f"there is no dead letter {unknown[0]!r}", "`cosmoformer replay --list` shows them")
    return [key for key, subject in names if key in keys or subject in keys]


def _show(letters: list[Letter]) -> None:
    out = console()
    if not letters:
        out.print("no dead letters")
        return
    made = table(out, "received", "about", ">status", "answer", "key")
    for letter in letters:
        event, error = letter["event"], letter["error"]
        about = event.get("subject") or f"{event['type']} {event['id']}"
        answer = text(_reason(error["data"] or "")[:_SHOWN])
        made.add_row(text(letter["received"][:19]), text(about), text(error["code"]), answer, text(letter["key"]))
    out.print(made)


def _reason(answer: str) -> str:
    """What the subscriber answered, on one line: the detail of problem details (RFC 9457), else all of it."""
    with suppress(ValueError, KeyError, TypeError):
        answer = str(json.loads(answer)["detail"])
    return " ".join(answer.split())
