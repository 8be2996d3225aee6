"""What happens to one event: the image is fetched, judged, and its result recorded and announced.

Delivery, in one table:

    | outcome                                          | answer | a broker then         |
    | ------------------------------------------------ | ------ | --------------------- |
    | classified, or rejected for what the file is     | 200 + reply event | is done    |
    | nothing to do (several records, a hint, another model is meant) | 202 | is done   |
    | a result that stands is explained, on request    | 202    | is done               |
    | the image is gone: nobody wants its result       | 202    | is done               |
    | malformed or unsupported event, foreign bucket   | 4xx    | keeps a dead letter   |
    | the store will never take the result             | 403    | keeps a dead letter   |
    | a model whose numbers are not finite             | 422    | keeps a dead letter   |
    | store, registry or model away, line full         | 503    | tries again           |
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from cosmoformer import logs
from cosmoformer.errors import (
    CosmoFormerError,
    ImageRejected,
    InvalidRequest,
    NotAllowed,
    ObjectGone,
    Overloaded,
    StoreRefused,
    TransientError,
    UnsupportedEvent,
)
from cosmoformer.events import cloudevents
from cosmoformer.events.cloudevents import Event
from cosmoformer.events.notifications import ObjectCreated, read_event
from cosmoformer.images.framing import Framing
from cosmoformer.images.picture import too_large
from cosmoformer.images.sky import NOWHERE
from cosmoformer.models.artifact import Artifact
from cosmoformer.models.wanted import ASKED_BY, is_asked
from cosmoformer.served_models import FOR_MODEL
from cosmoformer.settings import Settings
from cosmoformer.storage import sky_objects
from cosmoformer.storage.facts import ImageFacts, Origin
from cosmoformer.storage.features import Seen
from cosmoformer.storage.keys import MAX_KEY_BYTES, is_key
from cosmoformer.storage.results import Result, ResultsBucket
from cosmoformer.storage.sky_objects import Told
from cosmoformer.storage.store import ObjectInfo, Store
from cosmoformer.timestamps import rfc3339
from functions.classify import metrics, predictor
from functions.classify.explaining import Explainer
from functions.classify.features import Features
from functions.classify.judgements import Judgement, Judgements
from functions.classify.line import Line
from functions.classify.replies import is_picture, origin_of, reply
from functions.classify.serving import ModelServing, Served
from functions.classify.start_times import StartTimes
from functions.runtime.process_clock import CLOCK
from functions.runtime.start import predictions_at_once

log = logging.getLogger(__name__)
STUCK_S = 120.0  # decoding and predicting the largest image takes a few seconds


class Handler:
    """Judges images: by reference to the images bucket, or inside an event."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        results: ResultsBucket,
        serving: ModelServing,
        times: StartTimes | None = None,
    ) -> None:
        self._settings, self._store, self._results, self._serving = settings, store, results, serving
        self._times = times or StartTimes(CLOCK)
        self._limits = predictor.Limits(settings.max_image_bytes, settings.max_image_pixels)
        self.judgements, self.features = Judgements(settings, store), Features(settings, store)
        self._line = Line(predictions_at_once(settings), settings.prediction_queue)
        self._explainer = Explainer(settings, store, self._limits, self._line)

    def handle(self, event: Event) -> Event | None:
        """Act on an event.

        Returns:
            The reply event, or None when there is nothing to say.

        Raises:
            CosmoFormerError: see the table above.
        """
        if event.attributes.get(FOR_MODEL, self._settings.model_name) != self._settings.model_name:
            return None
        if event.type.startswith((cloudevents.OBJECT_CREATED, cloudevents.OBJECT_CREATED_CEPH)):
            return self._judge_objects(read_event(event), event)
        if is_picture(event.content_type):
            return self._reply(self.judge_bytes(event.data, origin_of(event), event.attributes, or_error=False))
        if event.type == cloudevents.ALIAS_MOVED:
            self._serving.recheck()
            return None
        raise UnsupportedEvent(
            f"events of type {event.type!r} with data of type {event.content_type!r} are not classified",
            f"Send {cloudevents.OBJECT_CREATED}* with a bucket and key, or any type with data of type image/*",
        )

    def check_alive(self) -> None:
        """Whether this process still gets through its images.

        Raises:
            Overloaded: one image has taken far longer than any does; the process should be started again.
        """
        if self._line.turn_s() > STUCK_S:
            raise Overloaded(f"one image has been worked on for more than {STUCK_S:.0f} s")

    def judge_bytes(
        self, content: bytes, origin: Origin, also: Mapping[str, str] = MappingProxyType({}), *, or_error: bool = True
    ) -> Result:
        """The result of an image that came by itself; it is not recorded anywhere.

        What else came with it may tell of the object, or ask for an explanation; where there is none, that is an error, or told
        in its place.
        """
        served, wanted = self._serving.current(), also.get(ASKED_BY, "")
        result, _ = self.describe_bytes(content, origin, served, also)
        if is_asked(wanted) and result["status"] == "classified":
            explain = self._explainer.explain if or_error else self._explainer.explain_or_refuse
            result["explanation"] = explain(content, result, served, wanted)
        return result

    def describe_bytes(
        self, content: bytes, origin: Origin, served: Served, also: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[Result, bytes]:
        """Such a result by a given version, and the image's feature vector, float16, the least significant byte first.

        The vector is empty for an image that was rejected, and where the version gives none.
        """
        image = ImageFacts(None, None, None, len(content), None)
        result, seen = self._judge(content, image, origin, served, sky_objects.read(also))
        self._count(result)
        return result, seen.vector if seen else b""

    def reject_unread(self, size: int, origin: Origin) -> Result:
        """The result of an image that came by itself and is over the limit, without reading it."""
        error = too_large(size, self._settings.max_image_bytes)
        return predictor.rejection(ImageFacts(None, None, None, size, None), error, origin)

    def reject_event_unread(self, event: Event, size: int) -> Event:
        """The reply to an event whose image is over the limit."""
        return self._reply(self.reject_unread(size, origin_of(event)))

    def _judge_objects(self, found: list[ObjectCreated], event: Event) -> Event | None:
        """Judge every object of a notification, also those behind one that fails."""
        replies, failures = [], []
        for created in found:
            try:
                replies.append(self._judge_object(created, event))
            except ObjectGone:
                metrics.IMAGES.labels("gone", "", "").inc()
                log.info("the image was deleted before it had a result", extra={"key": created.key})
            except CosmoFormerError as error:
                failures.append(error)
        if failures:  # one that may pass comes first: the whole event is delivered again then
            raise next((error for error in failures if isinstance(error, TransientError)), failures[0])
        return replies[0] if len(found) == len(replies) == 1 else None

    def _judge_object(self, created: ObjectCreated, event: Event) -> Event | None:
        """Judge the object under the first of the keys that may be meant which the store has.

        Raises:
            ObjectGone: it was deleted before or meanwhile, and no result of it is left behind.
        """
        *likely, last = (replace(created, key=key) for key in created.keys)
        for one in likely:
            try:
                return self._judge_key(one, event)
            except (InvalidRequest, NotAllowed, ObjectGone):
                continue
        return self._judge_key(last, event)

    def _judge_key(self, created: ObjectCreated, event: Event) -> Event | None:
        self._check_allowed(created)
        with logs.bound(event_id=event.id, key=created.key):
            served = self._serving.current()
            logs.bind(model_version=served.version.version)
            with metrics.PHASE_SECONDS.labels("fetch").time():
                info, content = self._fetch(created.key)
            standing = self._results.standing(created.key)
            wanted = event.attributes.get(ASKED_BY, "")
            if self._explainer.answers(standing.result, info.etag, content, served, wanted):
                return None
            told = sky_objects.told_of(self._settings, info)
            if standing.result and self._results.is_last_word(
                standing.result, info.etag, told, served.version.identity
            ):
                metrics.IMAGES.labels("repeated", "", str(served.version.version)).inc()
                return self._reply(standing.result)
            image = ImageFacts(created.bucket, created.key, info.etag, info.size, rfc3339(info.last_modified))
            result, seen = self._judge(content, image, origin_of(event), served, told)
            with metrics.PHASE_SECONDS.labels("record").time():
                kept, earlier = self._results.exchange(result, standing)
                self._check_still_there(created.key, kept, earlier)
            if seen is not None and kept is result:
                self.features.keep(served.version.identity, seen)
            self._count(result)
            log.info(
                "judged", extra={"status": result["status"], "seconds": result["seconds"], "stands": kept is result}
            )
            self._explainer.answers(kept, info.etag, content, served, wanted)
            return self._reply(kept)

    def _reply(self, result: Result) -> Event:
        return reply(result, self._settings.model_name)

    def _fetch(self, key: str) -> tuple[ObjectInfo, bytes | ImageRejected]:
        """An image and its content, or why it has none for us: trying again would not change that."""
        try:
            info, content = self._store.read_image(key)
        except StoreRefused as error:
            return self._store.head_image(key), ImageRejected(error.code, f"The object {error}.")
        return info, too_large(info.size, self._limits.image_bytes) if content is None else content

    def _check_still_there(self, key: str, kept: Result, earlier: Result | None) -> None:
        """Whoever deleted the image while it was judged could not delete its result: only one that stood before stays."""
        try:
            self._store.head_image(key)
        except ObjectGone:
            if kept is not earlier:
                self._results.withdraw(kept, earlier)
            raise

    def _check_allowed(self, created: ObjectCreated) -> None:
        if created.bucket != self._settings.images_bucket:
            raise NotAllowed(
                f"the event names the bucket {created.bucket!r}; only {self._settings.images_bucket!r} is classified"
            )
        if not is_key(created.key):  # the store would refuse it at every attempt
            raise InvalidRequest(
                f"no object can have the key {created.key[:80]!r}",
                f"Keys are 1 to {MAX_KEY_BYTES:,} bytes of UTF-8 without NUL",
            )
        if not created.key.startswith(self._settings.images_prefix):
            raise NotAllowed(f"the key {created.key!r} does not start with {self._settings.images_prefix!r}")

    def _count(self, result: Result) -> None:
        model, prediction = result["model"] or {}, result["prediction"] or {}
        metrics.IMAGES.labels(result["status"], prediction.get("class", ""), str(model.get("version", ""))).inc()
        self._times.finish()

    def _judge(
        self, content: bytes | ImageRejected, image: ImageFacts, origin: Origin, served: Served, told: Told
    ) -> tuple[Result, Seen | None]:
        """The result of an image, and what the model saw in it, where it gives feature vectors."""
        sky, seen = NOWHERE, None
        try:
            if isinstance(content, ImageRejected):
                raise content
            image = predictor.describe(content, image)
            framing = told.framing(served.artifact.metadata.radii, self._settings.zoom)
            judgement = self._judgement(content, image, served, framing)
            result, sky = self._classification(judgement, image, origin, served), judgement.sky
            if served.artifact.metadata.features:
                seen = Seen(image.key or "", image.etag or "", judgement.features)
        except ImageRejected as error:
            result = predictor.rejection(image, error, origin, served.version)
        return predictor.with_object(result, told, sky, self._settings), seen

    def _classification(self, judgement: Judgement, image: ImageFacts, origin: Origin, served: Served) -> Result:
        return predictor.classification(
            predictor.describe_picture(judgement, image),
            judgement.outputs,
            served.artifact,
            served.version,
            origin,
            unsure_below=self._settings.unsure_below,
            no_galaxy_below=self._settings.no_galaxy_below,
        )

    def _judgement(self, content: bytes, image: ImageFacts, served: Served, framing: Framing) -> Judgement:
        """The model's prediction for a file: the earlier one, if it has seen the same bytes in the same way."""
        # What came by itself, without a bucket, leaves no trace in one.
        digest, shared = f"{image.sha256} {framing.identity}".strip(), image.bucket is not None
        known = self.judgements.find(served.artifact.sha256, digest, shared=shared)
        if known and (known.features or not served.artifact.metadata.features):  # an earlier release kept none
            return known
        judgement = self._line.run(lambda: self._predict(content, served.artifact, framing))
        self.judgements.keep(served.artifact.sha256, digest, judgement, shared=shared)
        return judgement

    def _predict(self, content: bytes, artifact: Artifact, framing: Framing) -> Judgement:
        with metrics.PHASE_SECONDS.labels("decode").time():
            picture = predictor.decode(content, self._limits, framing, artifact.metadata.bands)
        with metrics.PHASE_SECONDS.labels("predict").time():
            outputs, features = predictor.described(artifact, predictor.preprocess(picture.seen))
        size = picture.width, picture.height
        return Judgement(outputs, *size, picture.format, picture.conversions, picture.zoom, picture.sky, features)
