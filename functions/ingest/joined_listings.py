"""Two listings, of images and of their results, gone through once and side by side."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator

from cosmoformer.settings import Settings
from cosmoformer.storage import results
from cosmoformer.storage.store import ObjectInfo


def join(
    images: Iterable[ObjectInfo], found: Iterable[ObjectInfo], place: Callable[[str], str]
) -> Iterator[tuple[ObjectInfo, ObjectInfo | None]]:
    """Every image with its result, or None; both listings are in key order and gone through once.

    Result keys end in ``.json``, so they are in another order than their images where one image key starts with another
    (``m51`` and ``m51-core``). The images are therefore put into the order of their result keys first.

    Args:
        images: the listing of images.
        found: the listing of results.
        place: see :func:`place`.
    """
    stream = iter(found)
    result = next(stream, None)
    for key, image in _in_result_order(images, place):
        while result is not None and result.key < key:
            result = next(stream, None)
        yield image, result if result is not None and result.key == key else None


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
        while held and held[0][0] <= key.removesuffix(results.SUFFIX):  # nothing that sorts before is still to come
            yield heapq.heappop(held)
        heapq.heappush(held, (key, image))
    while held:
        yield heapq.heappop(held)


def place(settings: Settings, image_key: str) -> str:
    """Result key of an image, or nothing where it was cut: it then stands elsewhere in the order of keys."""
    key = results.result_key(settings, image_key)
    return key if key.endswith(image_key + results.SUFFIX) else ""
