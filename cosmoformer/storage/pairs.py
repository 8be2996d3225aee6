"""Images beside their results: two listings gone through once, together; neither is held in memory."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator

from cosmoformer.settings import Settings
from cosmoformer.storage.keys import SUFFIX
from cosmoformer.storage.results import result_key
from cosmoformer.storage.store import ObjectInfo


def pairs(
    settings: Settings, images: Iterable[ObjectInfo], found: Iterable[ObjectInfo]
) -> Iterator[tuple[ObjectInfo | None, ObjectInfo | None]]:
    """Every image with what stands at its result's place, or None; and, with None, what stands at no image's.

    The latter may all the same be the result of an image whose key had to be cut.

    Args:
        settings: say where results stand.
        images: the listing of images.
        found: the listing of results.
    """
    return join(images, found, lambda key: _place(settings, key))


def join(
    images: Iterable[ObjectInfo], found: Iterable[ObjectInfo], place: Callable[[str], str]
) -> Iterator[tuple[ObjectInfo | None, ObjectInfo | None]]:
    """See :func:`pairs`.

    Result keys end in ``.json``, so they are in another order than their images where one image key starts with another
    (``m51`` and ``m51-core``). The images are therefore put into the order of their result keys first.

    Args:
        images: the listing of images.
        found: the listing of results.
        place: see :func:`_place`.
    """
    stream = iter(found)
    result = next(stream, None)
    for key, image in _in_result_order(images, place):
        while result is not None and result.key < key:
            yield None, result
            result = next(stream, None)
        if result is not None and result.key == key:
            yield image, result
            result = next(stream, None)
        else:
            yield image, None
    while result is not None:
        yield None, result
        result = next(stream, None)


def _in_result_order(images: Iterable[ObjectInfo], place: Callable[[str], str]) -> Iterator[tuple[str, ObjectInfo]]:
    """Images with their result keys, in the order of the latter.

    Only images whose keys start the next one's are held back, so they are never more than a key has characters.
    """
    held: list[tuple[str, ObjectInfo]] = []
    for image in images:
        key = place(image.key)
        if not key:
            yield key, image
            continue
        while held and held[0][0] <= key.removesuffix(SUFFIX):  # nothing that sorts before is still to come
            yield heapq.heappop(held)
        heapq.heappush(held, (key, image))
    while held:
        yield heapq.heappop(held)


def is_cut(settings: Settings, image_key: str) -> bool:
    """Whether an image's key is too long to stand whole in that of its result."""
    return not result_key(settings, image_key).endswith(image_key + SUFFIX)


def _place(settings: Settings, image_key: str) -> str:
    """Result key of an image, or nothing where it was cut: it then stands elsewhere in the order of keys."""
    return "" if is_cut(settings, image_key) else result_key(settings, image_key)
