"""Results: one JSON object an image, and the rule by which one replaces another.

The schema is ``cosmoformer/schemas/result-v1.json``. A result stands at ``RESULTS_PREFIX`` + image key + ``.json`` in the
results bucket. What stands there and is none, somebody else's object or a broken one, counts as no result: it is named in the
log, and replaced by the next result of its image.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from cosmoformer.errors import StoreUnavailable
from cosmoformer.models.registry import ModelIdentity, ModelVersion
from cosmoformer.parallel import map_stream
from cosmoformer.settings import Settings
from cosmoformer.storage.copies import with_copies
from cosmoformer.storage.domain import Domain, domain_members
from cosmoformer.storage.explanations import explanation_keys
from cosmoformer.storage.facts import ImageFacts, Origin
from cosmoformer.storage.keys import key_of_json
from cosmoformer.storage.result_shape import SCHEMA_VERSION, is_result
from cosmoformer.storage.sky_objects import Told, is_told, same_told, told_of
from cosmoformer.storage.store import ObjectInfo, Store
from cosmoformer.timestamps import moment, rfc3339

log = logging.getLogger(__name__)

_ATTEMPTS = 8
_PARALLEL = 16  # reads at once
_CLOCKS_DIFFER = timedelta(hours=1)  # a result is written after it is finished, by the store's clock

Result = dict[str, Any]


def classified(
    image: ImageFacts,
    probabilities: Mapping[str, float],
    task: str,
    model: ModelVersion,
    origin: Origin,
    unsure_below: float,
    domain: Domain | None = None,
    **also: Mapping[str, Any],
) -> Result:
    """The result of a classified image.

    ``probabilities`` are by class name and sum to 1; ``domain`` and ``also`` are as in :func:`estimated`.
    """
    best = max(probabilities, key=lambda name: probabilities[name])
    prediction = {
        "task": task,
        "class": best,
        "confidence": probabilities[best],
        "unsure": probabilities[best] < unsure_below,
        "unsure_below": unsure_below,
        "probabilities": dict(probabilities),
    }
    prediction |= domain_members(domain) | _given(**also)
    return _result("classified", image, model, origin) | {"prediction": prediction}


def estimated(
    image: ImageFacts,
    values: Mapping[str, float],
    task: str,
    model: ModelVersion,
    origin: Origin,
    *,
    domain: Domain | None = None,
    units: Mapping[str, str] | None = None,
    votes: Mapping[str, Any] | None = None,
) -> Result:
    """The result of an image by a task that is no classification.

    Args:
        image: the image.
        values: finite numbers by name.
        task: which question the model answers.
        model: the version that judged.
        origin: which event led here.
        domain: whether it looks like a galaxy; None where the model does not tell.
        units: of the values that have one, by name.
        votes: as :class:`cosmoformer.models.outputs.Answer` has them.
    """
    prediction = {"task": task} | domain_members(domain) | _given(values=values, units=units, votes=votes)
    return _result("classified", image, model, origin) | {"prediction": prediction}


def _given(**groups: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: dict(group) for name, group in groups.items() if group}


def rejected(image: ImageFacts, code: str, reason: str, model: ModelVersion | None, origin: Origin) -> Result:
    """The result of a file that cannot be classified, for a reason that trying again will not change.

    ``model`` is the version that does not take it, where others may; None where none would.
    """
    return _result("rejected", image, model, origin) | {"rejection": {"code": code, "reason": reason}}


def _result(
    status: Literal["classified", "rejected"], image: ImageFacts, model: ModelVersion | None, origin: Origin
) -> Result:
    finished = datetime.now(UTC)
    return {
        "schema_version": SCHEMA_VERSION,
        "status": status,
        "image": asdict(image) | {"conversions": list(image.conversions)},
        "prediction": None,
        "rejection": None,
        "model": model
        and {"name": model.name, "version": model.version, "run_id": model.run_id or None, "sha256": model.sha256},
        "event": {"id": origin.event_id, "source": origin.event_source, "time": origin.event_time},
        "started": rfc3339(origin.started),
        "finished": rfc3339(finished),
        "seconds": round((finished - origin.started).total_seconds(), 4),
    }


def result_key(settings: Settings, image_key: str) -> str:
    """Where the result of an image stands in the results bucket; see :func:`cosmoformer.storage.keys.key_of_json`."""
    return key_of_json(settings.results_prefix, image_key)


def as_result(settings: Settings, key: str, document: Any) -> Result | None:
    """The document at a key of the results bucket if it is the result that belongs there, else None, and the log names it."""
    if is_result(document) and document["image"]["key"] and result_key(settings, document["image"]["key"]) == key:
        found: Result = document
        return found
    if not key.endswith("/"):  # a folder, as browsers of buckets make them
        log.warning("%r in the results bucket is not the result of an image: left out", key)
    return None


def judged_by(result: Result) -> ModelIdentity | None:
    """Which model a result is the word of; None when none was needed to reject the file."""
    model = result["model"]
    return model and ModelIdentity(model["name"], model["version"], model["sha256"])


@dataclass(frozen=True)
class Standing:
    """What stands in the place of a result.

    Attributes:
        result: the result; None when there is none, or something else.
        etag: eTag of the object there; None when there is none.
    """

    result: Result | None
    etag: str | None


class ResultsBucket:
    """Results as objects of the results bucket.

    Args:
        store: the object store.
        champion: asks the registry, now, which version the alias points to; used only when two models disagree.
        settings: say where results stand, where that is not as the store's settings say.
        on_written: is told of each result that was written: its key in the results bucket, the eTag there, and the result.
    """

    def __init__(
        self,
        store: Store,
        champion: Callable[[], ModelIdentity | None] = lambda: None,
        settings: Settings | None = None,
        on_written: Callable[[str, str, Result], None] = lambda key, etag, result: None,
    ) -> None:
        self._store, self._champion, self._on_written = store, champion, on_written
        self._settings = settings or store.settings

    def read(self, image_key: str) -> Result | None:
        """The result of an image, or None."""
        return self.standing(image_key).result

    def standing(self, image_key: str) -> Standing:
        """What stands in the place of an image's result now."""
        key = result_key(self._settings, image_key)
        found = self._store.read_json(self._settings.results_bucket, key)
        return Standing(None, None) if found is None else Standing(as_result(self._settings, key, found[0]), found[1])

    def is_last_word(self, existing: Result | None, etag: str, told: Told, model: ModelIdentity) -> bool:
        """Whether a result on this very image stays whatever a model says: it is that model's own word, or outranks it."""
        return bool(
            existing
            and existing["status"] == "classified"
            and existing["image"]["etag"] == etag
            and is_told(existing.get("object"), told)
            and not self._outranks(model, judged_by(existing))
        )

    def write(self, result: Result, standing: Standing | None = None) -> Result:
        """Write a result as :meth:`exchange` does, and give what stands afterwards."""
        return self.exchange(result, standing)[0]

    def exchange(self, result: Result, standing: Standing | None = None) -> tuple[Result, Result | None]:
        """Write a result unless what stands there is newer; see :meth:`_replaces`.

        Every write names the object it replaces (If-Match, If-None-Match), so of two writers one sees the other's result and
        decides again.

        Args:
            result: the new result.
            standing: what stood there a moment ago, where that is known; it saves asking again.

        Returns:
            The result that stands afterwards, and the one that stood right before.
        """
        key = result_key(self._settings, image_key := result["image"]["key"])
        for _ in range(_ATTEMPTS):
            old, standing = standing or self.standing(image_key), None  # known from before for the first attempt only
            if old.result and not self._replaces(result, old.result):
                return old.result, old.result
            if self._write(key, result, old.etag):
                return result, old.result
        raise StoreUnavailable(f"{_ATTEMPTS} other writers were faster at {key!r}")

    def withdraw(self, result: Result, earlier: Result | None) -> None:
        """Undo a write, if this very result still stands: write the earlier one again, or delete it and what explains it."""
        key, standing = result_key(self._settings, image_key := result["image"]["key"]), self.standing(image_key)
        if standing.result == result and earlier is not None:
            self._write(key, earlier, standing.etag)
        elif standing.result == result:
            for place in (*explanation_keys(self._store, self._settings, image_key), key):
                self._store.delete(self._settings.results_bucket, place)

    def _write(self, key: str, result: Result, replacing: str | None) -> bool:
        if etag := self._store.write_json(self._settings.results_bucket, key, result, replacing=replacing):
            self._on_written(key, etag, result)
        return etag is not None

    def _replaces(self, new: Result, old: Result) -> bool:
        """Whether a new result takes the place of an old one.

        Of two images under one key, or of one with two sets of metadata, what the bucket holds now counts: its result wins. Of
        two models on the same image, the one that the alias names now wins (after a roll-back that is the lower version); else
        the higher version, if one name and registry count both, else the new one. A result of the same model for the same image
        stays as it is. Of two rejections, one a model's word and one nobody's, the later one counts.
        """
        if new["image"]["etag"] != old["image"]["etag"] or not same_told(new, old):
            there = self._store.head_image(new["image"]["key"])
            told = told_of(self._settings, there)
            return bool(there.etag == new["image"]["etag"]) and is_told(new.get("object"), told)
        if new["status"] != old["status"]:
            return bool(new["status"] == "classified")
        if new["status"] == "rejected" and (new["model"] is None) != (old["model"] is None):
            return True
        return self._outranks(judged_by(new), judged_by(old))

    def _outranks(self, new: ModelIdentity | None, old: ModelIdentity | None) -> bool:
        if new is None or old is None or new == old:
            return False
        champion = self._champion()
        if champion in (new, old):
            return champion == new
        # Under another name, or with another digest for the same number, it counts in another registry.
        return new.name != old.name or new.version >= old.version

    def entries(self, prefix: str = "", after: str = "") -> Iterator[ObjectInfo]:
        """All results whose image key starts with ``prefix`` and comes after another key, as the store lists them."""
        start = after and result_key(self._settings, after)
        return self._store.list(self._settings.results_bucket, f"{self._settings.results_prefix}{prefix}", start)

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Object keys of all results whose image key starts with ``prefix``."""
        return (entry.key for entry in self.entries(prefix))

    def all(self, prefix: str = "", *, after: str = "", since: datetime | None = None) -> Iterator[Result]:
        """Every result whose image key starts with ``prefix``, in key order, read several at a time.

        Args:
            prefix: of the images.
            after: key of the image whose result was read last; those up to it are left out.
            since: results that were finished before are left out.
        """
        listed = self.entries(prefix, after)
        late = (entry for entry in listed if since is None or entry.last_modified >= since - _CLOCKS_DIFFER)
        found = with_copies(self._store, self._settings.copies_prefix, late)
        results = map_stream(self._read, found, _PARALLEL, is_quick=lambda entry: entry[1] is not None)
        return (result for result in results if result and (since is None or _is_since(result, since)))

    def _read(self, found: tuple[ObjectInfo, Any]) -> Result | None:
        """A result of a listing, from its copy if there is one."""
        entry, copy = found
        read = self._store.read_json(self._settings.results_bucket, entry.key) if copy is None else (copy, entry.etag)
        return as_result(self._settings, entry.key, read[0]) if read else None


def _is_since(result: Result, since: datetime) -> bool:
    try:
        return moment(result["finished"]) >= since
    except ValueError:  # somebody else's word for a time
        return True
