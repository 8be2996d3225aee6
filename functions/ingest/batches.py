"""Batches reopened: what stands in the results bucket under the prefix of one batch of uploads.

Whoever knows the name that shows a batch may read its results and images: it is a secret link, though one that can be passed on
without letting anybody upload (links.py).
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from cosmoformer.parallel import map_stream
from cosmoformer.served_models import one_served, settings_for, settings_of_each
from cosmoformer.settings import Settings
from cosmoformer.storage.features import listed
from cosmoformer.storage.keys import MAX_KEY_BYTES, SUFFIX
from cosmoformer.storage.presigned import Presigner
from cosmoformer.storage.results import as_result, result_key
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
        self._models = list(settings_of_each(settings).values())

    def page(self, show: str, after: str, limit: int) -> dict[str, Any]:
        """Some of a batch's images that have a result of any served model, in key order of the results.

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
        found = list(islice(self._results(folder, after), limit + 1))
        images = map_stream(lambda one: self._image_key(*one), found[:limit])
        entries = [self._entry(image, folder) for image in images if image is not None and image.startswith(folder)]
        following = found[limit - 1][1].removeprefix(folder) if len(found) > limit else None
        return {"batch": show, "results": entries, "next": following}

    def _results(self, folder: str, after: str) -> Iterator[tuple[Settings, str]]:
        """Keys of every served model's results, without the model's prefix, in their order; those that are alike, once."""

        def of(settings: Settings) -> Iterator[tuple[Settings, str]]:
            prefix = settings.results_prefix
            listing = self._store.list(settings.results_bucket, prefix + folder, after and prefix + folder + after)
            return ((settings, entry.key.removeprefix(prefix)) for entry in listing)

        last = ""
        for settings, name in heapq.merge(*map(of, self._models), key=lambda one: one[1]):  # the first model's first
            if name != last:
                yield settings, name
            last = name

    def features(self, show: str, model: str, after: str, limit: int) -> dict[str, Any]:
        """Where the feature vectors of a batch's images stand, of any version of a served model; the page compares them.

        Args:
            show: as above.
            model: its name; empty for ``MODEL_NAME``.
            after: as above.
            limit: most objects on the page.

        Returns:
            ``{"batch", "features", "next"}``; each of the features is an object's ``key``, ``url`` and ``expires``.

        Raises:
            InvalidRequest: as above, or no model of this name is served; likewise StoreUnavailable.
        """
        folder = links.folder(self._settings, links.asked_to_show(show))
        settings = settings_for(self._settings, one_served(self._settings, model))
        prefix = f"{settings.features_prefix}{folder}"
        keys = list(islice(listed(self._store, folder, after and prefix + after, settings=settings), limit + 1))
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

    def _image_key(self, settings: Settings, name: str) -> str | None:
        """Key of the image whose result stands there; None for an object that is no result, or one that is listed elsewhere."""
        key = settings.results_prefix + name
        if not key.endswith(SUFFIX):
            return None
        if len(key.encode()) < _CUT_BYTES or not _CUT.fullmatch(key[-len(SUFFIX) - 65 :]):
            image = name.removesuffix(SUFFIX)
        else:  # a key that was cut does not tell the image's; the result itself does
            found = self._store.read_json(settings.results_bucket, key)
            result = as_result(settings, key, found[0]) if found else None
            if result is None:
                return None
            image = str(result["image"]["key"])
        return None if self._is_listed_before(image, settings, name) else image

    def _is_listed_before(self, image: str, settings: Settings, name: str) -> bool:
        """Whether an earlier model's result of the image stands under another name: where long keys are cut differs."""
        for earlier in self._models:
            if earlier is settings:
                return False
            key = result_key(earlier, image)
            if key != earlier.results_prefix + name and self._store.read_json(earlier.results_bucket, key):
                return True
        return False
