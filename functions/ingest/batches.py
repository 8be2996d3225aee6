"""Batches reopened: what stands in the results bucket under the prefix of one batch of uploads.

Whoever knows a batch's name may read its results and images: the name is a secret link. So only names that the upload
endpoint made itself open anything; one that a person chose could be guessed, and its results are read with store keys.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

from cosmoformer.errors import InvalidRequest
from cosmoformer.parallel import map_stream
from cosmoformer.settings import Settings
from cosmoformer.storage.results import MAX_KEY_BYTES, SUFFIX, as_result
from cosmoformer.storage.store import Store
from functions.ingest.uploads import batch_folder, expiry, result_address

MOST = 1000  # results a page
_UNGUESSABLE = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{32}")
_CUT = re.compile(rf"~[0-9a-f]{{64}}{re.escape(SUFFIX)}")
_CUT_BYTES = MAX_KEY_BYTES - 3  # a cut key has this many bytes at least: it is not cut within a character


class Batches:
    """Lists the results of a batch."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store

    def page(self, batch: str, after: str, limit: int) -> dict[str, Any]:
        """Some of a batch's results, in key order.

        Args:
            batch: name of the batch, as the upload endpoint made it.
            after: ``next`` of the page before; empty for the first.
            limit: most results on the page.

        Returns:
            ``{"batch", "results", "next"}``; each result has the image's ``key`` and ``name`` (its key without the batch),
            ``result`` (key, url, expires) and ``image`` (url, expires). ``next`` is None on the last page. A batch without
            results, and one that never was, are empty.

        Raises:
            InvalidRequest: the name is none that the upload endpoint makes.
            StoreUnavailable: the store does not answer.
        """
        if not _UNGUESSABLE.fullmatch(batch):
            raise InvalidRequest(
                f"{batch[:80]!r} is no link to a batch",
                "Is it complete? Batches of names of one's own are not opened so",
            )
        folder = batch_folder(self._settings, batch)
        prefix, bucket = self._settings.results_prefix + folder, self._settings.results_bucket
        start = prefix + after if after else ""
        keys = [entry.key for entry in islice(self._store.list(bucket, prefix, start), limit + 1)]
        images = map_stream(self._image_key, keys[:limit])
        entries = [
            self._entry(image, key, folder)
            for key, image in zip(keys, images, strict=False)
            if image is not None and image.startswith(folder)
        ]
        following = keys[limit - 1].removeprefix(prefix) if len(keys) > limit else None
        return {"batch": batch, "results": entries, "next": following}

    def _entry(self, image: str, result: str, folder: str) -> dict[str, Any]:
        return {
            "key": image,
            "name": image.removeprefix(folder),
            "result": result_address(self._store, result),
            "image": {
                "url": self._store.presign_get(self._settings.images_bucket, image),
                "expires": expiry(self._settings.result_expiry_seconds),
            },
        }

    def _image_key(self, key: str) -> str | None:
        """Key of the image whose result stands at a key; None for an object that is no result."""
        if not key.endswith(SUFFIX):
            return None
        if len(key.encode()) < _CUT_BYTES or not _CUT.fullmatch(key[-len(SUFFIX) - 65 :]):
            return key.removeprefix(self._settings.results_prefix).removesuffix(SUFFIX)
        # A key that was cut does not tell the image's; the result itself does.
        found = self._store.read_json(self._settings.results_bucket, key)
        result = as_result(self._settings, key, found[0]) if found else None
        return str(result["image"]["key"]) if result else None
