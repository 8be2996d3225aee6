"""Dead letters: events that the broker gave up on, kept as objects of the results bucket until somebody replays them.

A letter stands at ``DEAD_LETTERS_PREFIX`` + digest of the event's subject + ``/`` + digest of its source and id + ``.json``: the
same event is kept once however often it is delivered, and all letters about one image share a folder. Of models that are served
side by side, each has letters of its own: in a further one's key, its name stands before the ``.json``, behind a dot.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from cosmoformer.errors import InvalidEvent, InvalidRequest, StoreRefused, StoreUnavailable
from cosmoformer.events import cloudevents
from cosmoformer.events.cloudevents import Event
from cosmoformer.parallel import map_stream
from cosmoformer.served_models import FOR_MODEL, is_name
from cosmoformer.storage.keys import is_key
from cosmoformer.storage.store import Store
from cosmoformer.timestamps import rfc3339

log = logging.getLogger(__name__)
_STATUS = re.compile("[1-9][0-9]{2}")

SCHEMA_VERSION = 1
#: Extension attributes that Knative's brokers add to a dead letter (Knative data plane, "Event Delivery").
ERROR_EXTENSIONS = "knativeerror"


@dataclass(frozen=True)
class DeadLetter:
    """One kept event.

    Attributes:
        key: object key in the results bucket.
        event: the event as it was sent first.
        dest: address that did not take it; None when the broker did not tell.
        code: HTTP status of the last attempt; None likewise.
        answer: body of the last answer, as text; None likewise.
        received: when it became a dead letter, ISO 8601.
    """

    key: str
    event: Event
    dest: str | None
    code: int | None
    answer: str | None
    received: str


@dataclass(frozen=True)
class Replay:
    """What became of the letters that were to be replayed.

    Attributes:
        replayed: sent again and no longer kept.
        missing: not kept (any more).
    """

    replayed: int
    missing: int


class DeadLetters:
    """The dead letters of one store.

    Every method raises :class:`~cosmoformer.errors.StoreUnavailable` when the store does not answer.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._bucket: str = store.settings.results_bucket
        self._prefix: str = store.settings.dead_letters_prefix

    def keep(self, event: Event, model: str = "") -> str:
        """Keep an event, with what its ``knativeerror*`` extensions tell of the failure.

        Args:
            event: as the broker sent it.
            model: the further model that did not take it; empty for ``MODEL_NAME``'s and for any other subscriber.

        Returns:
            Key of the letter. It replaces an earlier one of the same event and model, so that the last failure is the one shown.

        Raises:
            InvalidRequest: no model can have such a name.
        """
        if model and not is_name(model):
            raise InvalidRequest(f"expected the name of a served model, got {model[:80]!r}")
        original, failure = _split(event)
        _, structured = cloudevents.to_structured(original)
        letter = {
            "schema_version": SCHEMA_VERSION,
            "event": json.loads(structured),
            "error": failure,
            "received": rfc3339(datetime.now(UTC), "microseconds"),
        }
        folder = f"{self._prefix}{subject_digest(event.subject or event.id)}/"
        key = folder + ".".join((_digest(event.source + event.id), *([model] if model else []), "json"))
        try:
            self._store.write(self._bucket, key, json.dumps(letter, ensure_ascii=False).encode(), "application/json")
        except StoreRefused as error:  # there is nowhere else to go: the broker must try again until it is mended
            raise StoreUnavailable(error.detail, error.mend) from error
        return key

    def page(self, after: str = "", limit: int = 100) -> tuple[list[DeadLetter], str | None]:
        """Some letters in key order, and the key after which the next page starts (None on the last page)."""
        keys = [entry.key for entry in islice(self._store.list(self._bucket, self._prefix, after), limit + 1)]
        letters = [letter for letter in map_stream(self._read, keys[:limit]) if letter]
        return [letter for letter, _ in letters], keys[limit - 1] if len(keys) > limit else None

    def latest_by_subject(self, model: str = "") -> dict[str, datetime]:
        """When the newest letter of one model about each subject was kept, by :func:`subject_digest`."""
        latest: dict[str, datetime] = {}
        for entry in self._store.list(self._bucket, self._prefix):
            digest, _, name = entry.key.removeprefix(self._prefix).partition("/")
            if _model_in(name) != model:
                continue
            latest[digest] = max(entry.last_modified, latest.get(digest, entry.last_modified))
        return latest

    def replay(self, send: Callable[[Event], None], keys: Iterable[str] | None = None) -> Replay:
        """Send kept events again and keep them no longer.

        Args:
            send: hands an event to the broker; what it raises ends the replay, and its letter stays.
            keys: of the letters; all when None.

        Raises:
            InvalidRequest: a key is none of a dead letter.
        """
        chosen = self._keys() if keys is None else [self._checked(key) for key in keys]
        outcomes = list(map_stream(lambda key: self._replay(key, send), chosen))
        return Replay(replayed=outcomes.count(True), missing=outcomes.count(False))

    def _replay(self, key: str, send: Callable[[Event], None]) -> bool:
        found = self._read(key)
        if found is None:
            return False
        letter, etag = found
        send(_for_its_model(key, letter.event))
        again = self._read(key)
        if again and again[1] == etag:  # else it has failed once more already, and that letter stays
            self._store.delete(self._bucket, key)
        return True

    def _keys(self) -> Iterator[str]:
        return (entry.key for entry in self._store.list(self._bucket, self._prefix))

    def _checked(self, key: str) -> str:
        if not (key.startswith(self._prefix) and is_key(key)):
            raise InvalidRequest(f"expected the key of a dead letter ({self._prefix}…), got {key[:100]!r}")
        return key

    def _read(self, key: str) -> tuple[DeadLetter, str] | None:
        found = self._store.read_json(self._bucket, key)
        if found is None:
            return None
        letter = _letter(key, found[0])
        if letter is None:
            log.warning("%r in the results bucket is no dead letter: left out", key)
            return None
        return letter, found[1]


def _letter(key: str, document: Any) -> DeadLetter | None:
    """The document as a letter; None for somebody else's object, or a broken one."""
    try:
        content = json.dumps(document["event"]).encode()
        event = cloudevents.parse({"content-type": f"{cloudevents.STRUCTURED}+json"}, content)
        error, received = document["error"], str(document["received"])
        return DeadLetter(key, event, error["dest"], error["code"], error["data"], received)
    except (KeyError, TypeError, InvalidEvent):
        return None


def _model_in(key: str) -> str:
    """The further model whose letter stands at a key; empty for ``MODEL_NAME``'s."""
    return key.rpartition("/")[2].removesuffix(".json").partition(".")[2]


def _for_its_model(key: str, event: Event) -> Event:
    """The event of a letter, for the model alone that did not take it."""
    model = _model_in(key)
    return Event({**event.attributes, FOR_MODEL: model}, event.data) if model else event


def subject_digest(subject: str) -> str:
    """Folder of the letters about a subject, such as an image's key."""
    return _digest(subject)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _split(event: Event) -> tuple[Event, dict[str, Any]]:
    """The event without the broker's extensions, and what these say."""
    extensions = {name: value for name, value in event.attributes.items() if name.startswith(ERROR_EXTENSIONS)}
    attributes = {name: value for name, value in event.attributes.items() if name not in extensions}
    code = extensions.get("knativeerrorcode", "")
    failure = {
        "dest": extensions.get("knativeerrordest"),
        "code": int(code) if _STATUS.fullmatch(code) else None,
        "data": _decoded(extensions.get("knativeerrordata")),
    }
    return Event(attributes, event.data), failure


def _decoded(data: str | None) -> str | None:
    """The answer's body; Knative sends it in base64, other brokers as it is."""
    if data is None:
        return None
    try:
        return base64.b64decode(data, validate=True).decode(errors="replace")
    except ValueError:  # no base64, or not even ASCII
        return data
