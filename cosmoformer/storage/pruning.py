"""Results whose images were deleted. They stay until somebody prunes them: a result is data, too, and often all that is left.

A result is pruned when it says itself which image of ``IMAGES_BUCKET`` it is about, stands at the place of that image's result,
and the store says, right before, that there is no such image; so are the explanations that say they are of that image. Whatever
else stands there is left alone: results of images of other buckets, and what is no result. Those of a further model are found
with its own settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cosmoformer.errors import ObjectGone
from cosmoformer.parallel import map_stream
from cosmoformer.storage.explanations import explanation_keys
from cosmoformer.storage.pairs import pairs
from cosmoformer.storage.results import as_result, result_key
from cosmoformer.storage.store import Store


@dataclass(frozen=True)
class Orphan:
    """A result whose image is gone.

    Attributes:
        key: of the result, in the results bucket.
        image_key: of the image that was.
    """

    key: str
    image_key: str


def orphans(store: Store, prefix: str = "") -> Iterator[Orphan]:
    """Every result whose image's key starts with ``prefix`` and is gone, in key order."""
    settings = store.settings
    images = store.list(settings.images_bucket, prefix)
    found = store.list(settings.results_bucket, settings.results_prefix + prefix)
    alone = (result.key for image, result in pairs(settings, images, found) if image is None and result is not None)
    return (orphan for orphan in map_stream(lambda key: _orphan(store, key), alone) if orphan)


def prune(store: Store, orphan: Orphan) -> bool:
    """Delete a result, and the explanations beside it, unless its image has come back.

    Returns:
        Whether it was deleted.
    """
    if not _is_gone(store, orphan.image_key):
        return False
    settings = store.settings
    for key in (*explanation_keys(store, settings, orphan.image_key), orphan.key):
        store.delete(settings.results_bucket, key)
    return True


def _orphan(store: Store, key: str) -> Orphan | None:
    settings = store.settings
    found = store.read_json(settings.results_bucket, key)
    result = as_result(settings, key, found[0]) if found else None
    image = result.get("image", {}) if result else {}
    image_key = image.get("key")
    if image.get("bucket") != settings.images_bucket or not image_key or result_key(settings, image_key) != key:
        return None
    return Orphan(key, image_key) if _is_gone(store, image_key) else None


def _is_gone(store: Store, image_key: str) -> bool:
    try:
        store.head_image(image_key)
    except ObjectGone:
        return True
    return False
