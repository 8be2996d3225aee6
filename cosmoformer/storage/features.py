"""Feature vectors of images, by which like galaxies are found: many of them in one JSON object of the results bucket.

An object holds what one process judged within a few seconds, by one model. It stands under ``FEATURES_PREFIX`` + the folder of
the images' batch (``uploads/…/`` of those that the page uploaded, so that whoever may see a batch can be given its vectors and no
others; nothing for all else) + the model's digest, the time and a random number. docs/results.md has its members.

Vectors are never what a result waits for, and losing some loses no result.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cosmoformer.models.registry import ModelIdentity
from cosmoformer.parallel import map_stream
from cosmoformer.settings import Settings
from cosmoformer.storage.keys import SUFFIX, UPLOADS
from cosmoformer.storage.store import Store

SCHEMA_VERSION = 1
BYTES = 2  # of a number: float16, the least significant byte first
_DIGEST = 16  # characters of the model's that stand in a key
_NAME = re.compile(r"(?P<model>[0-9a-f]{16})-\d{8}T\d{6}\d*Z-[0-9a-f]{8}" + re.escape(SUFFIX))


@dataclass(frozen=True)
class Seen:
    """One image, and what a model saw in it.

    Attributes:
        key: of the image.
        etag: of the image.
        vector: float16, the least significant byte first.
    """

    key: str
    etag: str
    vector: bytes


def folder_of(settings: Settings, image_key: str) -> str:
    """The part of an image's key that its vector's object is filed under; empty but for images of the page."""
    uploads = f"{settings.images_prefix}{UPLOADS}"
    batch, slash, _ = image_key.removeprefix(uploads).partition("/")
    return f"{uploads}{batch}{slash}" if image_key.startswith(uploads) and slash else ""


def new_key(settings: Settings, folder: str, model: str) -> str:
    """Key of an object that is written now, with vectors of a model by its digest."""
    return (
        f"{settings.features_prefix}{folder}{model[:_DIGEST]}-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
        f"-{secrets.token_hex(4)}{SUFFIX}"
    )


def model_in(key: str) -> str | None:
    """The start of the digest of the model whose vectors stand at a key; None for what is no such object."""
    match = _NAME.fullmatch(key.rpartition("/")[2])
    return match["model"] if match else None


def is_of(key: str, model: str) -> bool:
    """Whether an object holds vectors of a model, by its digest."""
    return model_in(key) == model[:_DIGEST]


def document(model: ModelIdentity, rows: Sequence[Seen]) -> dict[str, Any]:
    """The object that is stored, of one image at least."""
    return {
        "schema_version": SCHEMA_VERSION,
        "model": {"name": model.name, "version": model.version, "sha256": model.sha256},
        "length": len(rows[0].vector) // BYTES,
        "images": [[row.key, row.etag] for row in rows],
        "vectors": base64.b64encode(b"".join(row.vector for row in rows)).decode(),
    }


def rows_of(found: Any, model: str = "") -> list[Seen]:
    """The images in an object, of a model by its digest, or of any; none of what is no such object."""
    try:
        if found["schema_version"] != SCHEMA_VERSION or model not in ("", found["model"]["sha256"]):
            return []
        vectors = base64.b64decode(found["vectors"], validate=True)
        size, images = int(found["length"]) * BYTES, [(str(key), str(etag)) for key, etag in found["images"]]
        if size <= 0 or len(vectors) != size * len(images):
            return []
        return [Seen(*image, vectors[size * at : size * (at + 1)]) for at, image in enumerate(images)]
    except (KeyError, TypeError, ValueError, binascii.Error):
        return []


def listed(store: Store, folder: str = "", after: str = "", *, settings: Settings | None = None) -> Iterator[str]:
    """Keys of all objects with vectors of images of a folder, or of all, that come after the key of one.

    ``settings`` are those of a model that is served beside the first (:func:`~cosmoformer.served_models.settings_for`).
    """
    settings = settings or store.settings
    if not settings.features_prefix:
        return iter(())
    found = store.list(settings.results_bucket, f"{settings.features_prefix}{folder}", after)
    return (entry.key for entry in found if model_in(entry.key))


def forget(store: Store, image_keys: Collection[str]) -> None:
    """Delete what is kept of some images; what is kept of others beside them stays."""
    settings, bucket, gone = store.settings, store.settings.results_bucket, set(image_keys)
    for folder in {folder_of(settings, key) for key in image_keys}:
        own = [
            key for key in listed(store, folder) if "/" not in key.removeprefix(f"{settings.features_prefix}{folder}")
        ]
        for key, found in zip(own, map_stream(lambda key: store.read_json(bucket, key), own), strict=True):
            rows = rows_of(found[0]) if found else []
            left = [row for row in rows if row.key not in gone]
            if len(left) == len(rows):
                continue
            if left and found:
                model = ModelIdentity(*(found[0]["model"][name] for name in ("name", "version", "sha256")))
                store.write_json(
                    bucket,
                    new_key(settings, folder_of(settings, left[0].key), model.sha256),
                    document(model, left),
                    replacing=None,
                    indent=None,
                )
            store.delete(bucket, key)


def by_folder(settings: Settings, rows: Iterable[Seen]) -> dict[str, list[Seen]]:
    """Images by the folder that their vectors are filed under."""
    found: dict[str, list[Seen]] = {}
    for row in rows:
        found.setdefault(folder_of(settings, row.key), []).append(row)
    return found
