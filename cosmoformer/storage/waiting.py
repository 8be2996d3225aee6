"""Waiting for the results of certain images, until all are there that can still come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cosmoformer.errors import ObjectGone, RegistryUnavailable
from cosmoformer.models.registry import Registry
from cosmoformer.served_models import settings_of_each
from cosmoformer.settings import Settings
from cosmoformer.storage.results import Result, result_key
from cosmoformer.storage.side_by_side import row
from cosmoformer.storage.sky_objects import Told, is_told, told_of
from cosmoformer.storage.store import Store
from cosmoformer.storage.watching import PARALLEL, PAUSE_S, look_up, read_results

#: Looks into the results bucket between two into the images bucket.
_LOOKS = 6
#: Seconds without news after which a further model's results are not waited for any longer; more than a cold start takes.
PATIENCE_S = 60.0
#: What became of an image that is given up, in words.
GONE = "deleted, or replaced by another file"


@dataclass(frozen=True)
class Look:
    """What one look into the store found.

    Attributes:
        results: those that have come since the look before, possibly none.
        gone: keys of images that are given up, since they were deleted or something else was dropped under their keys.
    """

    results: list[Result]
    gone: list[str]


def wait_for(
    store: Store, images: Mapping[str, str], told: Mapping[str, Told] | None = None, settings: Settings | None = None
) -> Iterator[Look]:
    """Results of certain images as they come, until each is there or its image is gone.

    Args:
        store: the object store.
        images: eTag by object key; a result of an earlier image under the same key does not count.
        told: what the sender tells, by object key; nor does a result that does not know it.
        settings: of the model whose results they are; those of the store when None.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    waiting = _Waiting(store, settings or store.settings, images, told or {})
    looks = 0
    while waiting.pending:
        # Images first: what was judged right before its image was deleted has its result by the time these are looked for.
        absent = waiting.absent() if looks % _LOOKS == _LOOKS - 1 else []
        results = waiting.look()
        yield Look(results, waiting.give_up(absent))
        looks += 1
        if waiting.pending:
            time.sleep(PAUSE_S)


def gathered(
    looks: Iterable[Look], *, until: float | None = None, advance: Callable[[int], object] = lambda done: None
) -> tuple[dict[str, Result], list[str]]:
    """All that looks found: results by object key, and the keys of images that are given up.

    Args:
        looks: as :func:`wait_for` gives them.
        until: time on the monotonic clock after which no further look is taken.
        advance: told after each look how many images need no more waiting.
    """
    results: dict[str, Result] = {}
    gone: list[str] = []
    for look in looks:
        results |= {result["image"]["key"]: result for result in look.results}
        gone += look.gone
        advance(len(results) + len(gone))
        if until is not None and time.monotonic() > until:
            break
    return results, gone


class _Waiting:
    """What is waited for.

    Attributes:
        pending: keys of images without their result yet, by its key.
    """

    def __init__(self, store: Store, settings: Settings, images: Mapping[str, str], told: Mapping[str, Told]) -> None:
        self._store, self._settings, self._images, self._told = store, settings, images, told
        self.pending = {result_key(settings, key): key for key in images}
        self._stale: dict[str, str] = {}  # eTags of result objects that were of another image, or of other words
        self._told_otherwise: set[str] = set()  # images with a result that knows other words

    def look(self) -> list[Result]:
        """Results that have come."""
        listed = look_up(self._store, self._settings.results_bucket, self.pending).values()
        news = [info for info in listed if self._stale.get(info.key) != info.etag]
        found = read_results(self._store, self._settings, [info.key for info in news])
        self._stale.update((info.key, info.etag) for info in news)
        done = [key for key, result in found.items() if self._is_wanted(result)]
        for key in done:
            del self.pending[key]
        return [found[key] for key in done]

    def _is_wanted(self, result: Result) -> bool:
        key, told = result["image"]["key"], self._told.get(result["image"]["key"])
        if result["image"]["etag"] != self._images[key]:
            return False
        knows = told is None or is_told(result.get("object"), told)
        if not knows:
            self._told_otherwise.add(key)
        return knows

    def absent(self) -> list[str]:
        """Keys in the results bucket of what no result will come of."""
        there = look_up(self._store, self._settings.images_bucket, list(self.pending.values()))
        with ThreadPoolExecutor(PARALLEL) as pool:
            asked = [key for key in self._told_otherwise if key in there]
            otherwise = {key for key, same in zip(asked, pool.map(self._is_told, asked), strict=True) if not same}
        return [
            place
            for place, key in self.pending.items()
            if key in otherwise or key not in there or there[key].etag != self._images[key]
        ]

    def _is_told(self, key: str) -> bool:
        """Whether the store tells of an image what its sender did."""
        try:
            return told_of(self._settings, self._store.head_image(key)).known == self._told[key].known
        except ObjectGone:
            return False

    def give_up(self, absent: list[str]) -> list[str]:
        """Wait no longer for these; gives the keys of their images."""
        return [self.pending.pop(place) for place in absent if place in self.pending]


def with_further(
    store: Store, results: Mapping[str, Result], told: Mapping[str, Told] | None = None, *, until: float | None = None
) -> dict[str, Result]:
    """Rows of :mod:`cosmoformer.storage.side_by_side`, by object key, of images that the first model has judged.

    Each further model that has a champion is waited for while its results come; a row is without what does not.

    Args:
        store: the object store.
        results: the first model's, by object key.
        told: as above.
        until: time on the monotonic clock at which no model is waited for any longer.
    """
    images = {key: result["image"]["etag"] for key, result in results.items()}
    judged = {key: {"": result} for key, result in results.items()}
    for name, settings in settings_of_each(store.settings).items():
        if name and _has_champion(settings):
            for result in _while_they_come(wait_for(store, images, told, settings), until):
                judged[result["image"]["key"]][name] = result
    return {key: row(of_each) for key, of_each in judged.items()}


def _has_champion(settings: Settings) -> bool:
    try:
        Registry(settings).resolve(settings.model_alias)
    except RegistryUnavailable:  # nobody can judge by it now
        return False
    return True


def _while_they_come(looks: Iterator[Look], until: float | None) -> Iterator[Result]:
    last = time.monotonic()
    for look in looks:
        yield from look.results
        now = time.monotonic()
        last = now if look.results else last
        if now - last > PATIENCE_S or (until is not None and now > until):
            return
