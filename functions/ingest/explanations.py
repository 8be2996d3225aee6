"""Requests of the page for explanations: an event that has classify explain one image of a batch.

The class of its result is explained and nothing else. Whoever has a link to a batch can have each image explained once a version
of the model: what stands already, or was asked for a moment ago, is not asked for again.
"""

from __future__ import annotations

import threading
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from cosmoformer.errors import InvalidRequest
from cosmoformer.events.notifications import ObjectCreated
from cosmoformer.served_models import FOR_MODEL
from cosmoformer.settings import Settings
from cosmoformer.storage.explanations import age_s, explanation_key, stands
from cosmoformer.storage.keys import is_key
from cosmoformer.storage.presigned import Presigner
from cosmoformer.storage.results import Result, ResultsBucket
from cosmoformer.storage.store import Store
from functions.ingest import links
from functions.ingest.announce import Broker
from functions.ingest.uploads import result_address

_STORE = "cosmoformer:explain"  # in the place of a store's name, in the events that are sent
_PATIENCE_S = 20.0  # from an event until the next about the same image
_MOST_WAITING = 10_000


class Explanations:
    """Has images explained."""

    def __init__(self, settings: Settings, store: Store, broker: Broker, presigner: Presigner) -> None:
        self._settings, self._store, self._broker, self._presigner = settings, store, broker, presigner
        self._results = ResultsBucket(store)
        self._asked: dict[str, float] = {}  # when an event was sent about a key
        self._lock = threading.Lock()

    def ask(self, show: str, request: Any) -> dict[str, Any]:
        """Have one image explained.

        Args:
            show: the name that shows the image's batch.
            request: ``{"key"}`` of the image.

        Returns:
            ``{"key", "url", "expires"}`` of the explanation that will stand there, or stands already.

        Raises:
            InvalidRequest: the request is malformed, the key is none of the batch, or the image has no class.
            ObjectGone: there is no such image.
            StoreUnavailable: the store does not answer.
            BrokerUnavailable: the broker does not.
        """
        folder = links.folder(self._settings, links.asked_to_show(show))
        key = request.get("key") if isinstance(request, dict) else None
        if not isinstance(key, str) or not is_key(key) or not key.startswith(folder) or key == folder:
            raise InvalidRequest("expected the key of an image of this batch", f'Send {{"key": "{folder}m51.jpg"}}')
        etag, result = self._store.head_image(key).etag, self._results.read(key)
        if result is None or result["image"]["etag"] != etag or result["status"] != "classified":
            raise InvalidRequest(f"{key!r} has no result that could be explained", "Ask when it has been classified")
        place = explanation_key(self._settings, key)
        if not self._stands(place, result) and self._begins(key):
            self._send(key)
        return result_address(self._settings, self._presigner, place)

    def _stands(self, place: str, result: Result) -> bool:
        """Whether there is an explanation of the very version that answered, or of a moment ago by whichever is served."""
        found = self._store.read_json(self._settings.results_bucket, place)
        if found is None:
            return False
        image, document = result["image"], found[0]
        of_that_version = stands(document, image, result["model"]["sha256"])
        return of_that_version or (stands(document, image) and age_s(document) < _PATIENCE_S)

    def _begins(self, key: str) -> bool:
        """Whether nobody has asked about an image for a while; somebody has now."""
        now = time.monotonic()
        with self._lock:
            self._asked = {other: at for other, at in self._asked.items() if now - at < _PATIENCE_S}
            if key in self._asked or len(self._asked) >= _MOST_WAITING:
                return False
            self._asked[key] = now
            return True

    def _send(self, key: str) -> None:
        created = ObjectCreated(
            self._settings.images_bucket, key, "ObjectCreated:Put", _STORE, "", datetime.now(UTC), uuid.uuid4().hex
        )
        try:
            self._broker.send(created.event(explain="1", **{FOR_MODEL: self._settings.model_name}))
        except Exception:  # whoever asks again is not told to wait for what was never sent
            with self._lock:
                self._asked.pop(key, None)
            raise
