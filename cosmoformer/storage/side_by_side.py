"""Results of several models of the same images, side by side: one row of a table has what each of them says."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import groupby
from typing import Any

from cosmoformer.parallel import map_stream
from cosmoformer.served_models import settings_of_each
from cosmoformer.settings import Settings
from cosmoformer.storage.keys import MAX_KEY_BYTES
from cosmoformer.storage.results import Result, ResultsBucket, result_key
from cosmoformer.storage.store import Store

#: Member of a result in memory, never in the bucket: by name of each further model that has judged the same image, its result.
OTHERS = "others"
_PARALLEL = 16
#: What a row has of the image itself, whichever model's result tells it.
_OF_THE_IMAGE = ("schema_version", "image", "object")
_OF_A_MODEL = ("status", "prediction", "rejection", "model", "event", "started", "finished", "seconds")
_OF_A_LOOK = ("zoom",)  # a member of the image that hangs on the model
_LONGEST_TAIL = 80  # bytes at the end of a key that was cut: a digest, and what is left of a character

ByModel = dict[str, Result]


def all_rows(store: Store, prefix: str = "", *, after: str = "", since: datetime | None = None) -> Iterator[Result]:
    """A row for every image that any served model has judged, in the order of their result keys.

    The listings of all models are merged: no more is asked of the store than each model's results alone would take, but with
    ``since``, and no more is held in memory than the rows of images whose keys have some 800 bytes at their start in common.

    Args:
        store: the object store.
        prefix: of the images' keys.
        after: key of the image whose row was read last; those up to it are left out.
        since: rows without a result that was finished at or after this time are left out.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    buckets = buckets_of(store)
    first, *further = buckets.values()
    if not further:
        return first.all(prefix, after=after, since=since)
    found = _merged(store.settings, buckets, prefix, after, since)
    if since is not None:  # what was finished before belongs to the row as well
        found = map_stream(lambda judged: _completed(buckets, judged), found, _PARALLEL)
    return map(row, found)


def buckets_of(store: Store) -> dict[str, ResultsBucket]:
    """Where the results of each served model are, by its name; ``MODEL_NAME``, under an empty one, comes first."""
    return {name: ResultsBucket(store, settings=own) for name, own in settings_of_each(store.settings).items()}


def row(judged: Mapping[str, Result]) -> Result:
    """What the models say of one image: the first model's result, with those of further ones on the very same image.

    Where the first model has not judged it, what is its own is None.

    Args:
        judged: at least one result, by the name of its model and in the order of :func:`buckets_of`.
    """
    lead = next(iter(judged.values()))
    etag = lead["image"]["etag"]
    others = {name: result for name, result in judged.items() if name and result["image"]["etag"] == etag}
    own = judged[""] if "" in judged else _unjudged(lead)
    return {**own, OTHERS: others} if others else own


def _unjudged(other: Result) -> Result:
    image = {name: value for name, value in other["image"].items() if name not in _OF_A_LOOK}
    told: dict[str, Any] = {name: other[name] for name in _OF_THE_IMAGE if name in other}
    return {**told, "image": image, **dict.fromkeys(_OF_A_MODEL)}


def _merged(
    settings: Settings, buckets: Mapping[str, ResultsBucket], prefix: str, after: str, since: datetime | None
) -> Iterator[ByModel]:
    """The results of each image, by model.

    Each model's come in the order of its result keys. A key that had to be cut is cut elsewhere for another model, whose prefix
    is longer, but what all of them have left of it is in the same order: results with that in common are put together first.
    """
    prefixes = (own.results_prefix for own in settings_of_each(settings).values())
    common = MAX_KEY_BYTES - _LONGEST_TAIL - max(len(prefix.encode()) for prefix in prefixes)

    def place(image_key: str) -> bytes:
        return result_key(settings, image_key).removeprefix(settings.results_prefix).encode()[:common]

    def of(name: str, bucket: ResultsBucket) -> Iterator[tuple[bytes, str, Result]]:
        start = after if len(place(after)) < common else ""  # behind a key that was cut, models differ
        found = bucket.all(prefix, after=start, since=since)
        return ((place(result["image"]["key"]), name, result) for result in found)

    merged = heapq.merge(*(of(*item) for item in buckets.items()), key=lambda one: one[0])
    for start, results in groupby(merged, key=lambda one: one[0]):
        images = dict[str, ByModel]()
        for _, name, result in results:
            images.setdefault(result["image"]["key"], {})[name] = result
        for key in sorted(images):
            if not after or (start, key) > (place(after), after):
                yield {name: images[key][name] for name in buckets if name in images[key]}


def _completed(buckets: Mapping[str, ResultsBucket], judged: ByModel) -> ByModel:
    """The results of an image, with those that are not among them yet."""
    key = next(iter(judged.values()))["image"]["key"]
    found = {name: judged.get(name) or bucket.read(key) for name, bucket in buckets.items()}
    return {name: result for name, result in found.items() if result}
