"""The sweep: announces again every image that has no result, or one that does not hold any more.

Two listings, of images and of results, are merged in one pass over both; neither is held in memory. An image whose dead
letter is kept is left alone, since it has failed as often as the broker tries: replay the letter instead.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cosmoformer.errors import InvalidRequest, ObjectGone, Overloaded, RegistryUnavailable
from cosmoformer.events.cloudevents import Event
from cosmoformer.events.dead_letters import DeadLetters, subject_digest
from cosmoformer.events.notifications import ObjectCreated
from cosmoformer.models.registry import Registry, is_missing
from cosmoformer.parallel import map_stream
from cosmoformer.served_models import FOR_MODEL, further_models, settings_for
from cosmoformer.settings import Settings
from cosmoformer.storage import results
from cosmoformer.storage.pairs import is_cut, pairs
from cosmoformer.storage.sky_objects import is_told, told_of
from cosmoformer.storage.store import ObjectInfo, Store
from cosmoformer.timestamps import moment
from functions.ingest import metrics
from functions.ingest.announce import Broker, is_image
from functions.ingest.metrics import SWEEP_OUTCOMES, SweepOutcome
from functions.ingest.sweep_options import SweepOptions, read_options

log = logging.getLogger(__name__)

SOURCE = "cosmoformer.sweep"
#: A periodic sweep does not announce an image twice within this time: a long queue would grow with every sweep.
PATIENCE_S = 3600.0
MOST_HEARD = 100_000


class Sweeper:
    """Sweeps, one at a time."""

    def __init__(self, settings: Settings, store: Store, broker: Broker) -> None:
        self._settings, self._store, self._broker = settings, store, broker
        self._running = threading.Lock()
        self._announced: dict[str, float] = {}  # event id of periodic sweeps -> time.monotonic()
        #: Keys that were announced since the start, until the sweep that is made then is over.
        self._heard: set[str] | None = set() if settings.sweep_at_start_seconds else None
        self._whole_wanted = threading.Event()

    def heard(self, key: str) -> None:
        """A notification of this image has been passed on: the sweep at the start need not announce it."""
        heard = self._heard
        if heard is not None and len(heard) < MOST_HEARD:
            heard.add(key)

    def sweep_by_ping(self, event: Event) -> None:
        """The sweep that a PingSource asks for; its data may give options, such as ``{"min_age_s": 60}``.

        Raises:
            CosmoFormerError: as :meth:`sweep`, except that a sweep which is running already is one more than is asked for;
                after the other models' sweeps, where one of several fails.
            InvalidRequest: the data is something else.
        """
        given = event.json() if event.data else {}
        if not isinstance(given, dict):
            raise InvalidRequest(f"expected a JSON object as data of the ping, got a JSON {type(given).__name__}")
        options = read_options(self._settings, {"min_age_s": self._settings.sweep_min_age_seconds} | given)
        try:
            failed = self.sweep_each(options, [options.model] if options.model else self.models)
        except Overloaded:
            self._whole_wanted.set()  # a sweep at the start is no longer bounded then
            log.info("a sweep is running already; this ping asks for nothing more")
            return
        for error in failed.values():
            raise error

    @property
    def models(self) -> tuple[str, ...]:
        """The served models as :attr:`SweepOptions.model` has them: an empty name is ``MODEL_NAME``."""
        return "", *further_models(self._settings)

    def sweep_each(self, options: SweepOptions, models: Iterable[str]) -> dict[str, Exception]:
        """Sweep for one model after the other, as nobody waits for it; one that fails ends no other's sweep.

        Returns:
            What ended a sweep, by model.

        Raises:
            Overloaded: another sweep is running.
        """
        failed: dict[str, Exception] = {}
        with self._alone():
            for model in models:
                try:
                    self._sweep_periodically(replace(options, periodic=True, model=model))
                except Exception as error:
                    log.info("a model's sweep failed", extra={"model": model, "problem": str(error)})
                    failed[model] = error
            if not failed and options.within_s is not None:
                self._heard = None
        return failed

    def _sweep_periodically(self, options: SweepOptions) -> None:
        settings = settings_for(self._settings, options.model)
        if options.model:
            try:
                Registry(settings).resolve(settings.model_alias)
            except RegistryUnavailable as error:  # nobody could judge: every image would become a dead letter
                if options.within_s is not None and not is_missing(error):  # the sweep at the start is tried again
                    raise
                log.info("no sweep for a further model", extra={"model": options.model, "problem": str(error)})
                return
        self._sweep(options)

    def sweep(self, options: SweepOptions) -> dict[str, int]:
        """Go through all images once.

        Returns:
            How many ``images`` there are, and how many of them are ``with_result``, ``announced``, ``dead_lettered`` (left
            alone), ``too_young`` (left alone) and ``waiting`` (announced by an earlier periodic sweep).

        Raises:
            Overloaded: another sweep is running.
            StoreUnavailable: the store does not answer.
            BrokerUnavailable: the broker did not take an event; what was announced before stays announced.
            RegistryUnavailable: stale results are asked for and MLflow does not answer.
        """
        with self._alone():
            return self._sweep(options)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._running.acquire(blocking=False):
            raise Overloaded("another sweep is running", "Wait for its end")
        self._whole_wanted.clear()
        try:
            yield
        finally:
            self._running.release()

    def _sweep(self, options: SweepOptions) -> dict[str, int]:
        outcome = "failed"
        try:
            counts = self._go_through(options)
            outcome = "completed"
            return counts
        finally:
            metrics.SWEEPS.count(outcome)

    def _go_through(self, options: SweepOptions) -> dict[str, int]:
        begun = time.monotonic()
        self._announced = {event: at for event, at in self._announced.items() if at > begun - PATIENCE_S}
        settings = settings_for(self._settings, options.model)
        judge = _Judge(options, settings, self._store)
        counts: Counter[SweepOutcome] = Counter()

        def doubtful() -> Iterator[tuple[ObjectInfo, ObjectInfo | None, bool]]:
            for image, result in self._images_with_results(settings, options.prefix):
                if self._is_over(options, begun):
                    log.warning("the sweep is cut short", extra={"after": image.key, "seconds": options.within_s})
                    return
                outcome = judge.by_listing(image, result)
                if outcome is None or outcome == "announced":
                    yield image, result, outcome == "announced"
                else:
                    counts[outcome] += 1

        def settle(one: tuple[ObjectInfo, ObjectInfo | None, bool]) -> SweepOutcome:
            image, result, certain = one
            return (
                self._announce(image, options, judge) if certain or judge.by_reading(image, result) else "with_result"
            )

        counts.update(map_stream(settle, doubtful()))
        for name in SWEEP_OUTCOMES:
            metrics.SWEPT_IMAGES.count(name, times=counts[name])
        report: dict[str, int] = {"images": counts.total()}
        report |= {name: counts[name] for name in SWEEP_OUTCOMES}
        log.info("sweep ended", extra={**report, "dry_run": options.dry_run, "seconds": time.monotonic() - begun})
        return report

    def _is_over(self, options: SweepOptions, begun: float) -> bool:
        late = options.within_s is not None and time.monotonic() > begun + options.within_s
        return late and not self._whole_wanted.is_set()

    def _images_with_results(self, settings: Settings, prefix: str) -> Iterator[tuple[ObjectInfo, ObjectInfo | None]]:
        images = (
            image
            for image in self._store.list(settings.images_bucket, prefix)
            if is_image(settings, settings.images_bucket, image.key)
        )
        found = self._store.list(settings.results_bucket, settings.results_prefix + prefix)
        return ((image, result) for image, result in pairs(settings, images, found) if image is not None)

    def _announce(self, image: ObjectInfo, options: SweepOptions, judge: _Judge) -> SweepOutcome:
        if judge.is_dead_lettered(image):
            return "dead_lettered"
        created = self._created(image, options.model)
        # What was heard is for the sweeps at the start alone.
        heard = self._heard if options.within_s is not None else None
        if options.periodic and (created.id in self._announced or image.key in (heard or ())):
            return "waiting"
        if not options.dry_run:
            only = {FOR_MODEL: options.model} if options.model else {}
            self._broker.send(created.event(**only))
            if options.periodic:
                self._announced[created.id] = time.monotonic()
        return "announced"

    def _created(self, image: ObjectInfo, model: str) -> ObjectCreated:
        bucket = self._settings.images_bucket
        words = [bucket, image.key, image.etag, *([model] if model else [])]
        identity = hashlib.sha256("\0".join(words).encode()).hexdigest()[:32]
        return ObjectCreated(bucket, image.key, "ObjectCreated:Put", SOURCE, "", image.last_modified, identity)


class _Judge:
    """Decides which images want to be announced, within one sweep."""

    def __init__(self, options: SweepOptions, settings: Settings, store: Store) -> None:
        self._options, self._settings = options, settings
        self._store, self._results = store, results.ResultsBucket(store, settings=settings)
        registry = Registry(settings)
        further = options.model if options.model != store.settings.model_name else ""
        self._young_after = datetime.now(UTC) - timedelta(seconds=options.min_age_s)
        self._dead_letters = DeadLetters(store).latest_by_subject(further)
        self._champion = registry.resolve(settings.model_alias).identity if options.again == "stale" else None

    def by_listing(self, image: ObjectInfo, result: ObjectInfo | None) -> SweepOutcome | None:
        """What the two listings tell; None when the result has to be read."""
        standing = result is not None and result.last_modified >= image.last_modified
        if standing and not (self._options.deep or self._options.again):
            return "with_result"
        if image.last_modified > self._young_after:
            return "with_result" if standing else "too_young"
        if self._options.again == "all":
            return "announced"
        # A result older than its image may still be about these very bytes: the same file dropped again.
        return None if result is not None or is_cut(self._settings, image.key) else "announced"

    def by_reading(self, image: ObjectInfo, listed: ObjectInfo | None) -> bool:
        """Whether an image wants to be announced, after its result, which is listed so."""
        result = self._results.read(image.key)
        if result is None or result["image"]["etag"] != image.etag or self._is_told_anew(image, listed, result):
            return True
        if self._options.again == "rejected":
            return bool(result["status"] == "rejected")
        return bool(self._champion and result["model"] and results.judged_by(result) != self._champion)

    def _is_told_anew(self, image: ObjectInfo, listed: ObjectInfo | None, result: results.Result) -> bool:
        """Whether the same bytes came again with other metadata, for which the store is asked only where they came again."""
        again = listed is None or listed.last_modified < image.last_modified
        if not again and _same_second(result["image"].get("last_modified"), image.last_modified):
            return False
        try:
            told = told_of(self._settings, self._store.head_image(image.key))
        except ObjectGone:
            return False
        return not is_told(result.get("object"), told)

    def is_dead_lettered(self, image: ObjectInfo) -> bool:
        """Whether the delivery of this very image was given up: a newer one under the same key gets its own chance."""
        letter = self._dead_letters.get(subject_digest(image.key))
        return letter is not None and letter >= image.last_modified


def _same_second(told: Any, when: datetime) -> bool:
    """Whether a time in a result is that of a listing; whoever gives the one may not have fractions, as the other has."""
    try:
        return moment(str(told)).replace(microsecond=0) == when.replace(microsecond=0)
    except ValueError:
        return False
