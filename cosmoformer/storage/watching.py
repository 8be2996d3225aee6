"""Watching for results: the results bucket is listed repeatedly, and what is new is read."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile

from cosmoformer.served_models import settings_of_each
from cosmoformer.settings import Settings
from cosmoformer.storage.results import Result, as_result, result_key
from cosmoformer.storage.side_by_side import row
from cosmoformer.storage.store import ObjectInfo, Store

PARALLEL = 8  # requests to the store at once
PAUSE_S = 0.5
_FEW = 100


def look_up(store: Store, bucket: str, keys: Collection[str]) -> dict[str, ObjectInfo]:
    """What the store holds under some keys: one request for each of a few keys, one listing for many."""
    if len(keys) <= _FEW:
        with ThreadPoolExecutor(PARALLEL) as pool:
            # The first object of a listing is the one whose whole key is the prefix, if there is one.
            found = pool.map(lambda key: next(store.list(bucket, prefix=key), None), keys)
            return {info.key: info for info in found if info is not None and info.key in keys}
    wanted = frozenset(keys)
    return {
        info.key: info for info in store.list(bucket, prefix=_common_start(min(keys), max(keys))) if info.key in wanted
    }


def _common_start(first: str, last: str) -> str:
    """What all texts between two begin with."""
    equal = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(letter for letter, _ in equal)


def watch(store: Store, prefix: str) -> Iterator[list[Result]]:
    """Rows of :mod:`cosmoformer.storage.side_by_side` as they come, for ever: first those that are there, then those with news.

    Yields:
        The news of each look into the store, possibly none.
    """
    models = settings_of_each(store.settings)
    seen: dict[str, dict[str, str]] = {name: {} for name in models}
    while True:
        listed = {name: _etags(store, settings, prefix) for name, settings in models.items()}
        news = {
            name: read_results(
                store, settings, [key for key, etag in listed[name].items() if seen[name].get(key) != etag]
            )
            for name, settings in models.items()
        }
        yield [row(judged) for judged in _by_image(store, models, listed, news)]
        seen = listed
        time.sleep(PAUSE_S)


def _etags(store: Store, settings: Settings, prefix: str) -> dict[str, str]:
    listed = store.list(settings.results_bucket, settings.results_prefix + prefix)
    return {info.key: info.etag for info in listed}


def _by_image(
    store: Store,
    models: Mapping[str, Settings],
    listed: Mapping[str, Collection[str]],
    news: Mapping[str, Mapping[str, Result]],
) -> Iterator[dict[str, Result]]:
    """Of each image that a model has news of, the results of all models that have one."""
    images = dict.fromkeys(result["image"]["key"] for results in news.values() for result in results.values())
    places = {image: {name: result_key(settings, image) for name, settings in models.items()} for image in images}
    older = {
        name: [
            place[name] for place in places.values() if place[name] in listed[name] and place[name] not in news[name]
        ]
        for name in models
    }
    found = {name: {**news[name], **read_results(store, settings, older[name])} for name, settings in models.items()}
    for place in places.values():
        yield {name: found[name][key] for name, key in place.items() if key in found[name]}


def read_results(store: Store, settings: Settings, keys: list[str]) -> dict[str, Result]:
    """Results by their own object keys; those deleted meanwhile are left out."""
    bucket = settings.results_bucket
    with ThreadPoolExecutor(PARALLEL) as pool:
        found = zip(keys, pool.map(lambda key: store.read_json(bucket, key), keys), strict=True)
        documents = {key: as_result(settings, key, document[0]) for key, document in found if document}
        return {key: result for key, result in documents.items() if result is not None}
