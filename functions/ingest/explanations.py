"""Requests of the page for explanations: an event that has classify explain one image of a batch.

The most probable class is explained and nothing else, so that whoever has a link to a batch can have each image explained once a
version of the model: what stands already is not computed again.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from cosmoformer.errors import InvalidRequest
from cosmoformer.events.notifications import ObjectCreated
from cosmoformer.settings import Settings
from cosmoformer.storage.explanations import explanation_key
from cosmoformer.storage.keys import is_key
from cosmoformer.storage.presigned import Presigner
from cosmoformer.storage.store import Store
from functions.ingest import links
from functions.ingest.announce import Broker
from functions.ingest.uploads import result_address

_STORE = "cosmoformer:explain"  # in the place of a store's name, in the events that are sent


class Explanations:
    """Has images explained."""

    def __init__(self, settings: Settings, store: Store, broker: Broker, presigner: Presigner) -> None:
        self._settings, self._store, self._broker, self._presigner = settings, store, broker, presigner

    def ask(self, show: str, request: Any) -> dict[str, Any]:
        """Have one image explained.

        Args:
            show: the name that shows the image's batch.
            request: ``{"key"}`` of the image.

        Returns:
            ``{"key", "url", "expires"}`` of the explanation that will stand there, or stands already.

        Raises:
            InvalidRequest: the request is malformed, or the key is none of the batch.
            ObjectGone: there is no such image.
            StoreUnavailable: the store does not answer.
            BrokerUnavailable: the broker does not.
        """
        folder = links.folder(self._settings, links.asked_to_show(show))
        key = request.get("key") if isinstance(request, dict) else None
        if not isinstance(key, str) or not is_key(key) or not key.startswith(folder) or key == folder:
            raise InvalidRequest("expected the key of an image of this batch", f'Send {{"key": "{folder}m51.jpg"}}')
        image = self._store.head_image(key)
        created = ObjectCreated(
            self._settings.images_bucket, key, "ObjectCreated:Put", _STORE, "", datetime.now(UTC), uuid.uuid4().hex
        )
        self._broker.send(created.event(explain="1"))
        return result_address(self._settings, self._presigner, explanation_key(self._settings, image.key))
