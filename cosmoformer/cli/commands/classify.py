"""``cosmoformer classify``: classify files directly, without store and broker."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from cosmoformer.cli.environment import with_settings
from cosmoformer.errors import CosmoFormerError, InvalidRequest, PermanentError
from cosmoformer.events import cloudevents
from cosmoformer.images.formats import media_type
from cosmoformer.models.wanted import ASKED_BY, DEFAULT, is_asked
from cosmoformer.services import Service
from cosmoformer.settings import Settings
from cosmoformer.storage.headlines import numbers_of, values_of
from cosmoformer.storage.results import Result
from cosmoformer.storage.sky_objects import read
from cosmoformer.terminal import console, text
from cosmoformer.text import printable
from cosmoformer.votes.way import way

_SOURCE = "urn:cosmoformer:cli"
_UNKNOWN = "image/unknown"  # whoever names a file here says that it is an image; the function looks into it
_BAR = 30  # characters of a probability of 1


@click.command(
    epilog="""\b
Example:
  cosmoformer classify m51.jpg ngc1300.fits
  cosmoformer classify --explain --of bar_yes ngc1300.fits
"""
)
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--json", "as_json", is_flag=True, help="JSON lines: the file's name with its result or error.")
@click.option(
    "--explain",
    is_flag=True,
    help="Also draw what the model looked at: NAME.explained.png, here; with --json in the result.",
)
@click.option("--of", "output", metavar="OUTPUT", help="Explain this output, such as bar_yes, not the class.")
@click.option("--zoom", type=float, help="Show the model the centre of each image this much larger.")
@click.option("--size-arcsec", type=float, help="Petrosian radius (R90) of the galaxy, which tells the zoom.")
@click.option("--pixel-scale", type=float, help="Seconds of arc a pixel, where the file does not tell.")
@with_settings
def command(
    settings: Settings,
    /,
    files: tuple[Path, ...],
    as_json: bool,
    explain: bool,
    output: str | None,
    **known: float | None,
) -> None:
    """Send image files to the classify function and show what it answers; nothing is stored.

    Of a model that tells votes, the galaxy's way through the decision tree is shown: what most volunteers would answer, and what
    they would be asked next. --json has the fractions of all answers to all questions.
    """
    _check_explain(files, explain, output)
    told = {name.replace("_", ""): f"{value:g}" for name, value in known.items() if value is not None}
    if ignored := read(told).ignored:
        raise click.UsageError("; ".join(ignored))
    attributes = told | ({ASKED_BY: output or DEFAULT} if explain else {})
    # The function may have to start first, which a broker would wait for just as long.
    service = Service(settings.classify_url, "CLASSIFY_URL", settings.delivery_timeout_seconds)
    out = console()
    failures = 0
    for file in files:
        answer = _judge(service, file, attributes)
        problem = _problem(answer)
        failures += bool(problem)
        if as_json:
            click.echo(json.dumps({"file": str(file), **answer}))
        elif problem:
            click.secho(f"{printable(str(file))}: {printable(problem)}", fg="red", err=True)
        else:
            _show(out, file, answer["result"])
            failures += explain and not _draw(out, file, answer["result"])
    if failures:
        raise PermanentError(
            f"{failures} of {len(files)} files were not classified{', or not explained' if explain else ''}"
        )


def _check_explain(files: tuple[Path, ...], explain: bool, output: str | None) -> None:
    if output is not None and not explain:
        raise click.UsageError("--of says what --explain explains: give both")
    if output is not None and not is_asked(output):
        raise click.UsageError(f"--of must be the name of an output, got {output!r}")
    names = [file.name for file in files]
    if explain and (twice := [name for name in names if names.count(name) > 1]):
        raise click.UsageError(f"two files are named {twice[0]}, and so would their drawings be: give them one by one")


def _judge(service: Service, file: Path, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a file, with an explanation where one is asked for, or why there is none."""
    try:
        return {"result": _result(service, file, attributes)}
    except CosmoFormerError as error:
        return {"error": str(error)}
    except OSError as error:
        return {"error": error.strerror or str(error)}


def _result(service: Service, file: Path, attributes: Mapping[str, Any]) -> Result:
    content = file.read_bytes()
    headers, body = cloudevents.to_binary(
        cloudevents.new(
            type=cloudevents.IMAGE,
            source=_SOURCE,
            id=hashlib.sha256(content).hexdigest(),
            subject=cloudevents.subject(file.name),
            content_type=media_type(file.name, content, default=_UNKNOWN),
            data=content,
            **attributes,
        )
    )
    answer = service.send("POST", "/", body, headers)
    reply = cloudevents.parse(answer.headers, answer.data)
    if reply.type not in (cloudevents.CLASSIFIED, cloudevents.REJECTED):
        raise InvalidRequest(f"{service.url} answered with an event of type {reply.type!r}", "Is CLASSIFY_URL right?")
    result: Result = reply.json()
    return result


def _problem(answer: dict[str, Any]) -> str:
    """Why a file was not classified; empty when it was."""
    if "error" in answer:
        return str(answer["error"])
    rejection = answer["result"]["rejection"]
    return f"rejected: {rejection['reason']}" if rejection else ""


def _show(out: Console, file: Path, result: Result) -> None:
    prediction, model = result["prediction"], result["model"]
    title, rows = _classes(prediction) if "class" in prediction else _numbers(prediction)
    out.print(text(f"{file}: {title}{_doubt(prediction)}", "bold"))
    _show_rows(out, rows)
    if steps := _way(prediction):
        out.print(text("  what most volunteers would answer, of those asked:"))
        _show_rows(out, steps)
    out.print(text(f"  {model['name']} version {model['version']}, {result['seconds']:.3f} s", "dim"))


def _show_rows(out: Console, rows: dict[str, str]) -> None:
    width = max(map(len, rows), default=0)
    for name, shown in rows.items():
        out.print(text(f"  {name:<{width}}  {shown}"))


def _draw(out: Console, file: Path, result: Result) -> bool:
    """Draw what the model looked at; whether that could be done, else why not is told."""
    given = result.get("explanation", {"refused": "the function is of a release that explains nothing"})
    drawing = Path(f"{file.name}.explained.png")
    why = given.get("refused")
    if not why:
        try:
            drawing.write_bytes(base64.b64decode(given["heat_map"]["base64"]))
        except OSError as error:
            why = f"{drawing} cannot be written: {error.strerror}"
    if why:
        click.secho(f"{printable(str(file))}: not explained: {printable(why)}", fg="red", err=True)
        return False
    out.print(text(f"  {drawing}: what spoke for {given['output']} in orange, against it in blue"))
    return True


def _classes(prediction: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The class in words, and every probability by class name, the highest first."""
    probabilities = sorted(prediction["probabilities"].items(), key=lambda pair: -pair[1])
    return prediction["class"], {name: f"{share:.4f}  {_bar(share)}" for name, share in probabilities}


def _doubt(prediction: dict[str, Any]) -> str:
    """What a prediction is marked with, in words."""
    unsure = f", unsure (below {prediction['unsure_below']})" if prediction.get("unsure") else ""
    score = prediction.get("in_domain")
    strange = f", probably no galaxy (in_domain {score:.2g})" if prediction.get("no_galaxy") else ""
    return f"{unsure}{strange}"


def _numbers(prediction: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The task, and its numbers by name, in the order of the model's outputs; votes only where they make no way."""
    numbers = values_of if way(prediction.get("votes", {})) else numbers_of
    return prediction["task"], numbers(prediction, 6)


def _way(prediction: dict[str, Any]) -> dict[str, str]:
    """By question of the galaxy's way: the most-voted answer, its share, and how many would be asked."""
    steps = way(prediction.get("votes", {}))
    width = max((len(step.answer.words) for step in steps), default=0)
    return {
        step.question.name: f"{step.answer.words:<{width}}  {100 * step.fraction:3.0f} %  asked: {step.asked:.0f} of 100"
        for step in steps
    }


def _bar(probability: float) -> str:
    return "█" * round(_BAR * probability)
