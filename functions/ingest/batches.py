"""Batches reopened: what stands in the results bucket under the prefix of one batch of uploads.

Whoever knows the name that shows a batch may read its results and images: it is a secret link, though one that can be passed on
without letting anybody upload (links.py).
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

from cosmoformer.parallel import map_stream
from cosmoformer.settings import Settings
from cosmoformer.storage.features import listed
from cosmoformer.storage.keys import MAX_KEY_BYTES, SUFFIX
from cosmoformer.storage.presigned import Presigner
from cosmoformer.storage.results import as_result
from cosmoformer.storage.store import Store
from functions.ingest import links
from functions.ingest.uploads import expiry, result_address, result_addresses

MOST = 1000  # results a page
_CUT = re.compile(rf"~[0-9a-f]{{64}}{re.escape(SUFFIX)}")
_CUT_BYTES = MAX_KEY_BYTES - 3  # a cut key has this many bytes at least: it is not cut within a character


class Batches:
    """Lists the results of a batch."""

    def __init__(self, settings: Settings, store: Store, presigner: Presigner) -> None:
        self._settings, self._store, self._presigner = settings, store, presigner

    def page(self, show: str, after: str, limit: int) -> dict[str, Any]:
        """Some of a batch's results, in key order.

        Args:
            show: the name that shows the batch.
            after: ``next`` of the page before; empty for the first.
            limit: most results on the page.

        Returns:
            ``{"batch", "results", "next"}``; each result has the image's ``key`` and ``name`` (its key without the batch),
            ``result`` (key, url, expires), ``further`` as uploads have it, and ``image`` (url, expires). ``next`` is None
            on the last page. A batch without results, and one that never was, are empty.

        Raises:
            InvalidRequest: it is no name that shows a batch.
            StoreUnavailable: the store does not answer.
        """
        folder = links.folder(self._settings, links.asked_to_show(show))
        prefix, bucket = self._settings.results_prefix + folder, self._settings.results_bucket
        start = prefix + after if after else ""
        keys = [entry.key for entry in islice(self._store.list(bucket, prefix, start), limit + 1)]
        images = map_stream(self._image_key, keys[:limit])
        entries = [self._entry(image, folder) for image in images if image is not None and image.startswith(folder)]
        following = keys[limit - 1].removeprefix(prefix) if len(keys) > limit else None
        return {"batch": show, "results": entries, "next": following}

    def features(self, show: str, after: str, limit: int) -> dict[str, Any]:
        """Where the feature vectors of a batch's images stand, of whichever models; the page compares them itself.

        Args:
            show: as above.
            after: likewise.
            limit: most objects on the page.

        Returns:
            ``{"batch", "features", "next"}``; each of the features is an object's ``key``, ``url`` and ``expires``.

        Raises:
            InvalidRequest: as above; likewise StoreUnavailable.
        """
        folder = links.folder(self._settings, links.asked_to_show(show))
        prefix = f"{self._settings.features_prefix}{folder}"
        keys = list(islice(listed(self._store, folder, after and prefix + after), limit + 1))
        entries = [result_address(self._settings, self._presigner, key) for key in keys[:limit]]
        following = keys[limit - 1].removeprefix(prefix) if len(keys) > limit else None
        return {"batch": show, "features": entries, "next": following}

    def _entry(self, image: str, folder: str) -> dict[str, Any]:
        return {
            "key": image,
            "name": image.removeprefix(folder),
            **result_addresses(self._settings, self._presigner, image),
            "image": {
                "url": self._presigner.get_image(image),
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
