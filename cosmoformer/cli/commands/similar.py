"""``cosmoformer similar``: like galaxies, and odd ones."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosmoformer.cli.environment import with_settings
from cosmoformer.errors import InvalidRequest
from cosmoformer.likeness.filling import fill
from cosmoformer.likeness.index import Neighbour
from cosmoformer.likeness.library import Library, latest_model
from cosmoformer.likeness.marks import mark_of
from cosmoformer.parallel import map_stream
from cosmoformer.settings import Settings
from cosmoformer.storage.headlines import headline
from cosmoformer.storage.results import Result, ResultsBucket
from cosmoformer.storage.store import Store
from cosmoformer.terminal import console, table, text
from cosmoformer.timestamps import moment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cosmoformer.api.classifier import Classifier

_SPARE = 30  # more than are asked for: some may be gone
_FRESH, _TRIES, _PAUSE_S = timedelta(seconds=20), 20, 1.0


@dataclass(frozen=True)
class _Found:
    """One line of the answer."""

    key: str
    distance: float
    mark: str
    result: Result


@click.command(
    epilog="""\b
Examples:
  cosmoformer similar night-1/m51.fits
  cosmoformer similar ngc1300.jpg -n 50
  cosmoformer similar --oddest --json
"""
)
@click.argument("image", required=False)
@click.option("-n", "--count", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many to name.")
@click.option("--oddest", is_flag=True, help="Those that are most unlike all others, instead of those like IMAGE.")
@click.option("--fill", "filling", is_flag=True, help="First compute the vectors that are missing, on this machine.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines: distance, mark and result of each.")
@with_settings
def command(settings: Settings, image: str | None, count: int, oddest: bool, filling: bool, as_json: bool) -> None:
    """Find images that look like IMAGE: the key of one in the bucket, or a file.

    The distance is 0 for the same look, 1 for nothing in common. What has the same bytes is named, and what is probably another
    image of the same galaxy. A file is judged on this machine, by the model that the registry's alias names.

    With --oddest the images come first that are farthest from the ten nearest to them; the distance is the mean of those.

    The first run reads the vectors of all images, later ones what is new (LIKENESS_CACHE_DIR).
    """
    if oddest == bool(image):
        raise click.UsageError("Expected one of IMAGE and --oddest.")
    store = Store(settings)
    found = _odd(store, fill_first=filling) if image is None else _like(store, image, count, fill_first=filling)
    lines = list(islice(found, count))
    if as_json:
        for line in lines:
            click.echo(json.dumps({"distance": line.distance, "mark": line.mark or None, "result": line.result}))
        return
    out = console()
    made = table(out, ">distance", "key", "class", ">confidence", "mark")
    for line in lines:
        made.add_row(*(text(cell) for cell in _cells(line)))
    out.print(made if lines else text("no other image has a feature vector"))


def _cells(line: _Found) -> tuple[Any, ...]:
    prediction = line.result["prediction"]
    confidence = f"{prediction['confidence']:.3f}" if "confidence" in prediction else None
    return f"{line.distance:.4f}", line.key, headline(prediction), confidence, line.mark or None


def _odd(store: Store, *, fill_first: bool) -> Iterator[_Found]:
    classifier = _classifier(store.settings) if fill_first else None
    library = Library(store, classifier.sha256 if classifier else latest_model(store))
    if classifier:
        _fill(store, library, classifier, classifier.sha256)
    return _with_results(store, library, library.oddest(len(library)))


def _like(store: Store, image: str, count: int, *, fill_first: bool) -> Iterator[_Found]:
    result = ResultsBucket(store).read(image)
    if result is not None and result["status"] == "classified":
        classifier, model = None, str(result["model"]["sha256"])
    elif Path(image).is_file():
        classifier = _classifier(store.settings)
        model = classifier.sha256
    else:
        raise InvalidRequest(
            f"{image!r} is neither the key of a classified image nor a file", "Try: cosmoformer results"
        )
    library = Library(store, model)
    if fill_first:
        _fill(store, library, classifier or _classifier(store.settings), model)
    elif result is not None and not classifier:
        library = _awaited(store, library, model, result)
    if classifier:
        content = Path(image).read_bytes()
        return _near(store, library, count, classifier.features(content), hashlib.sha256(content).hexdigest(), {})
    number = library.number(image)
    if number is None or library.index is None:
        raise InvalidRequest(
            f"no feature vector of {image!r} is kept",
            "It is written some seconds after the result, if the model gives any (python -m training.repack):"
            " --fill computes what is missing, here",
        )
    assert result is not None
    vector, place = library.index.vectors([number])[0], result.get("object") or {}
    near = _near(store, library, count, vector, result["image"]["sha256"], place)
    return (line for line in near if line.key != image)


def _awaited(store: Store, library: Library, model: str, result: Result) -> Library:
    """The index, with what was seen in an image that was judged a moment ago: that is written some seconds after the result."""
    for _ in range(_TRIES):
        if library.number(result["image"]["key"]) is not None or not _is_fresh(result):
            break
        time.sleep(_PAUSE_S)
        library = Library(store, model)
    return library


def _is_fresh(result: Result) -> bool:
    try:
        return datetime.now(UTC) - moment(result["finished"]) < _FRESH
    except ValueError:  # somebody else's word for a time
        return False


def _near(
    store: Store, library: Library, count: int, vector: NDArray[np.float16], sha256: str, place: Mapping[str, Any]
) -> Iterator[_Found]:
    """Images by their distance from a vector; marked where they have these bytes, or are of what is at this place."""
    index = library.index
    if index is None:
        return iter(())
    near = index.near(vector, 2 * count + _SPARE)
    numbers = [neighbour.number for neighbour in near]
    same = {number for number, is_same in zip(numbers, index.same(vector, numbers), strict=True) if is_same}

    def mark(number: int, result: Result) -> str:
        return mark_of(result, sha256, place, is_alike=number in same)

    return _with_results(store, library, near, mark)


def _with_results(
    store: Store, library: Library, near: Iterable[Neighbour], mark: Callable[[int, Result], str] = lambda *_: ""
) -> Iterator[_Found]:
    """Those of which there still is a result of the very image that was described."""
    results = ResultsBucket(store)

    def read(neighbour: Neighbour) -> _Found | None:
        image = library.image(neighbour.number)
        result = results.read(image.key)
        if result is None or result["status"] != "classified" or result["image"]["etag"] != image.etag:
            return None
        return _Found(image.key, neighbour.distance, mark(neighbour.number, result), result)

    return (found for found in map_stream(read, near) if found)


def _classifier(settings: Settings) -> Classifier:
    from cosmoformer.api.classifier import Classifier

    return Classifier.from_registry(settings=settings)


def _fill(store: Store, library: Library, classifier: Classifier, model: str) -> None:
    if classifier.sha256 != model:
        raise InvalidRequest(
            "the image was judged by another model than the one that is served now",
            "Have it judged anew: cosmoformer sweep --again stale",
        )
    if not classifier.metadata.features:
        raise InvalidRequest(
            "the model that is served gives no feature vectors", "Export it anew, or: python -m training.repack"
        )

    def describe(content: bytes, zoom: float) -> bytes:
        return classifier.features(content, zoom=zoom).tobytes()

    count = fill(store, library, classifier.sha256, describe)
    click.echo(f"{count:,} feature vectors computed", err=True)
