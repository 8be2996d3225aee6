"""``cosmoformer status``: what answers, and how much there is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import click

from cosmoformer.cli.environment import with_settings
from cosmoformer.connections import split_user
from cosmoformer.errors import CosmoFormerError, RegistryUnavailable, TransientError
from cosmoformer.health import Facts, ask_broker, ask_classify, ask_ingest, elsewhere, say_broker, say_classify
from cosmoformer.models.registry import Registry
from cosmoformer.served_models import further_models, settings_for, settings_of_each
from cosmoformer.settings import Settings
from cosmoformer.storage.served import ServedMemory
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
    results = {
        name: _count(store.list(settings.results_bucket, own.results_prefix))
        for name, own in settings_of_each(settings).items()
    }
    return {
        "images": sum(not info.key.endswith("/") for info in images),
        "results": results.pop(""),
        "further": results,
        "dead_letters": _count(store.list(settings.results_bucket, settings.dead_letters_prefix)),
    }


def _count(things: Iterable[object]) -> int:
    return sum(1 for _ in things)


def _say_store(facts: Facts) -> str:
    further = "".join(f", {count:,} of {name}" for name, count in facts["further"].items())
    return f"{facts['images']:,} images, {facts['results']:,} results{further}, {facts['dead_letters']:,} dead letters"


def _ask_registry(settings: Settings) -> Facts:
    registry, served = Registry(settings), _served(settings)
    try:
        champion = registry.resolve(settings.model_alias)
    except RegistryUnavailable as error:
        raise RegistryUnavailable("; ".join(filter(None, (error.detail, _say_served(served)))), error.mend) from error
    return {"model": champion.name, "aliases": registry.aliases(), "served": served, "champion": champion.version}


def _served(settings: Settings) -> Facts | None:
    """What classify said last of the version that it serves; None when it has said nothing, or the store does not tell."""
    try:
        found = ServedMemory(Store(settings)).read()
    except CosmoFormerError:
        return None
    return asdict(found) if found else None


def _say_registry(facts: Facts) -> str:
    aliases = ", ".join(f"{alias} → {version}" for alias, version in sorted(facts["aliases"].items()))
    served = facts["served"]
    differs = served and (served["version"] != facts["champion"] or served["why"])
    return f"{facts['model']}: {aliases}" + (f"; {_say_served(served)}" if differs else "")


def _say_served(served: Facts | None) -> str:
    if not served:
        return ""
    why = f", since {served['why']}" if served["why"] else ""
    return f"served last is version {served['version']}{why}"


PARTS = (
    Part("store", "S3_ENDPOINT_URL", _ask_store, _say_store),
    Part("registry", "MLFLOW_TRACKING_URI", _ask_registry, _say_registry),
    Part("broker", "K_SINK", ask_broker, say_broker, optional=elsewhere),
    Part("ingest", "INGEST_URL", ask_ingest, lambda _: "ready"),
    Part("classify", "CLASSIFY_URL", ask_classify, say_classify, optional=elsewhere),
)


def parts_of(settings: Settings) -> list[Part]:
    """:data:`PARTS`, with the registry once more for each further model.

    Raises:
        SettingsError: SERVED_MODELS names what could be no model.
    """

    def of(name: str) -> Part:
        own = settings_for(settings, name)
        return Part(f"registry of {name}", "MLFLOW_TRACKING_URI", lambda _: _ask_registry(own), _say_registry)

    at = [part.name for part in PARTS].index("registry") + 1
    return [*PARTS[:at], *(of(name) for name in further_models(settings)), *PARTS[at:]]


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

    Of each further model (SERVED_MODELS) the registry is asked, too, and results are counted.

    The exit status is 1 when something that is needed does not answer. Of a cluster's broker and classify function nothing is
    needed here: the one shows no queue, the other may sleep.
    """
    parts = parts_of(settings)
    with ThreadPoolExecutor(len(parts)) as pool:
        findings = list(pool.map(lambda part: _ask(part, settings), parts))
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
    url, _ = split_user(str(getattr(settings, part.setting.lower())))
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
