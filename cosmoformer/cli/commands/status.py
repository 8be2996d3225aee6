"""``cosmoformer status``: what answers, and how much there is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import click

from cosmoformer.cli.environment import with_settings
from cosmoformer.errors import CosmoFormerError, TransientError
from cosmoformer.health import Facts, ask_broker, ask_classify, ask_ingest, elsewhere, say_broker, say_classify
from cosmoformer.models.registry import Registry
from cosmoformer.settings import Settings
from cosmoformer.storage.store import Store
from cosmoformer.terminal import console, table, text


@dataclass(frozen=True)
class Part:
    """One part of the system and how it is asked.

    Attributes:
        name: what people call it.
        setting: which setting has its address.
        ask: gives its facts; raises when it does not answer.
        say: the facts in a few words.
        optional: whether the system works while it does not answer, by its address.
    """

    name: str
    setting: str
    ask: Callable[[Settings], Facts]
    say: Callable[[Facts], str]
    optional: Callable[[str], bool] = lambda _: False


def _ask_store(settings: Settings) -> Facts:
    store = Store(settings)
    images = store.list(settings.images_bucket, settings.images_prefix)
    return {
        "images": sum(not info.key.endswith("/") for info in images),
        "results": _count(store.list(settings.results_bucket, settings.results_prefix)),
        "dead_letters": _count(store.list(settings.results_bucket, settings.dead_letters_prefix)),
    }


def _count(things: Iterable[object]) -> int:
    return sum(1 for _ in things)


def _say_store(facts: Facts) -> str:
    return f"{facts['images']:,} images, {facts['results']:,} results, {facts['dead_letters']:,} dead letters"


def _ask_registry(settings: Settings) -> Facts:
    registry = Registry(settings)
    champion = registry.resolve(settings.model_alias)
    return {"model": champion.name, "aliases": registry.aliases()}


def _say_registry(facts: Facts) -> str:
    aliases = ", ".join(f"{alias} → {version}" for alias, version in sorted(facts["aliases"].items()))
    return f"{facts['model']}: {aliases}"


PARTS = (
    Part("store", "S3_ENDPOINT_URL", _ask_store, _say_store),
    Part("registry", "MLFLOW_TRACKING_URI", _ask_registry, _say_registry),
    Part("broker", "K_SINK", ask_broker, say_broker, optional=elsewhere),
    Part("ingest", "INGEST_URL", ask_ingest, lambda _: "ready"),
    Part("classify", "CLASSIFY_URL", ask_classify, say_classify, optional=elsewhere),
)


@dataclass(frozen=True)
class Finding:
    """What a part answered.

    Attributes:
        part: which one.
        url: its address.
        facts: what it told; None when it did not answer.
        problem: why not; empty when it did.
    """

    part: Part
    url: str
    facts: Facts | None
    problem: str

    @property
    def state(self) -> str:
        """``ok``, ``unknown`` for an optional part that does not answer, or ``failed``."""
        if self.facts is not None:
            return "ok"
        return "unknown" if self.part.optional(self.url) else "failed"

    @property
    def words(self) -> str:
        """What it answered, for people."""
        return self.problem if self.facts is None else self.part.say(self.facts)


@click.command(
    epilog="""\b
Example:
  cosmoformer status
"""
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_settings
def command(settings: Settings, as_json: bool) -> None:
    """Ask store, registry, broker and functions how they are, and count images, results and dead letters.

    The exit status is 1 when something that is needed does not answer. Of a cluster's broker and classify function nothing is
    needed here: the one shows no queue, the other may sleep.
    """
    with ThreadPoolExecutor(len(PARTS)) as pool:
        findings = list(pool.map(lambda part: _ask(part, settings), PARTS))
    if as_json:
        click.echo(json.dumps({finding.part.name: _as_json(finding) for finding in findings}, indent=1))
    else:
        _show(findings)
    failed = [finding.part.name for finding in findings if finding.state == "failed"]
    if failed:
        raise TransientError(
            f"{', '.join(failed)} did not answer as expected", "`cosmoformer settings` shows the addresses"
        )


def _ask(part: Part, settings: Settings) -> Finding:
    url = str(getattr(settings, part.setting.lower()))
    try:
        return Finding(part, url, part.ask(settings), "")
    except CosmoFormerError as error:
        return Finding(part, url, None, error.detail)


def _as_json(finding: Finding) -> Facts:
    problem = {"problem": finding.problem} if finding.problem else {}
    return {"state": finding.state, "url": finding.url, **(finding.facts or {}), **problem}


_MEND = "`cosmoformer settings` shows the addresses; `cosmoformer up` starts everything on this machine"
_STYLES = {"ok": "green", "unknown": "yellow", "failed": "red"}


def _show(findings: list[Finding]) -> None:
    out = console()
    made = table(out, "part", "state", "address", "")
    for finding in findings:
        made.add_row(
            finding.part.name, text(finding.state, _STYLES[finding.state]), text(finding.url), text(finding.words)
        )
    out.print(made)
