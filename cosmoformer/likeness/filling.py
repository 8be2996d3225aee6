"""Vectors for images that were judged without: by an earlier release, with the setting off, or by a process that was killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from cosmoformer.errors import ImageRejected, InvalidRequest, ObjectGone, StoreRefused, TooLarge
from cosmoformer.likeness.library import Library
from cosmoformer.models.registry import ModelIdentity
from cosmoformer.storage.features import Seen, by_folder, document, new_key
from cosmoformer.storage.results import Result, ResultsBucket, judged_by
from cosmoformer.storage.store import Store

Describe = Callable[[bytes, float], bytes]  # content and zoom of an image -> its vector, as :class:`Seen` has it
_AT_ONCE = 200


def fill(store: Store, library: Library, model: str, describe: Describe) -> int:
    """Compute and write the vectors that a library lacks, and take them into it.

    Args:
        store: has images and results.
        library: of the model's vectors.
        model: its digest; results of other models are left alone.
        describe: gives a vector.

    Returns:
        How many were written; images that are gone, or cannot be read, are left out.

    Raises:
        InvalidRequest: ``FEATURES_PREFIX`` is empty, so that no vectors are kept.
        StoreUnavailable: the store does not answer; what was written before stays.
    """
    if not store.settings.features_prefix:
        raise InvalidRequest("no feature vectors are kept: FEATURES_PREFIX is empty", "Set it, such as to features/")
    count = 0
    lacking = _lacking(store, library, model)
    while some := list(islice(lacking, _AT_ONCE)):
        rows = [(identity, row) for result, identity in some if (row := _seen(store, result, describe))]
        for identity in dict.fromkeys(identity for identity, _ in rows):
            for folder, images in by_folder(store.settings, (row for of, row in rows if of == identity)).items():
                key = new_key(store.settings, folder, model)
                store.write_json(
                    store.settings.results_bucket, key, document(identity, images), replacing=None, indent=None
                )
        count += len(rows)
    library.refresh()
    return count


def _lacking(store: Store, library: Library, model: str) -> Iterator[tuple[Result, ModelIdentity]]:
    for result in ResultsBucket(store).all():
        identity = judged_by(result)
        if result["status"] != "classified" or identity is None or identity.sha256 != model:
            continue
        number = library.number(result["image"]["key"])
        if number is None or library.image(number).etag != result["image"]["etag"]:
            yield result, identity


def _seen(store: Store, result: Result, describe: Describe) -> Seen | None:
    image = result["image"]
    try:
        info, content = store.read_image(image["key"])
        if content is None or info.etag != image["etag"]:
            return None
        return Seen(image["key"], info.etag, describe(content, image.get("zoom") or 1.0))
    except (ImageRejected, ObjectGone, StoreRefused, TooLarge):
        return None
