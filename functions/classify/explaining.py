"""Explanations on request: what the served version of the model looks at in an image."""

from __future__ import annotations

import logging
import threading

from cosmoformer.errors import ImageRejected, InvalidRequest, NotExplained, Overloaded
from cosmoformer.images.framing import Framing
from cosmoformer.images.picture import Limits
from cosmoformer.models.artifact import Artifact
from cosmoformer.models.wanted import is_asked, is_default
from cosmoformer.settings import Settings
from cosmoformer.storage import explanations
from cosmoformer.storage.results import Result
from cosmoformer.storage.store import Store
from functions.classify import metrics, predictor
from functions.classify.line import Line
from functions.classify.serving import Served

log = logging.getLogger(__name__)


class Explainer:
    """Explains images, each in the line of predictions."""

    def __init__(self, settings: Settings, store: Store, limits: Limits, line: Line) -> None:
        self._settings, self._store, self._limits, self._line = settings, store, limits, line
        self._keeping = threading.Lock()

    def explain(self, content: bytes, result: Result, served: Served, wanted: str) -> explanations.Document:
        """The explanation of an image that came by itself.

        Args:
            content: of a file that can be classified.
            result: what was judged of it; its class is what is explained where no output is named.
            served: the version that has judged it.
            wanted: as in :func:`cosmoformer.models.explanation.explain`.

        Raises:
            InvalidRequest: the model has no such output.
            NotExplained: it gives no explanation.
            Overloaded: too many wait for the model.
        """
        output, zoom = _output(result, served, wanted), result["image"].get("zoom") or 1.0
        return self._line.run(lambda: self._explained(content, served.artifact, output, zoom))

    def explain_or_refuse(self, content: bytes, result: Result, served: Served, wanted: str) -> explanations.Document:
        """The same; what the model has none for is told in its place, so that it costs nobody the result."""
        try:
            return self.explain(content, result, served, wanted)
        except (InvalidRequest, NotExplained) as error:
            return explanations.refusal(error)

    def answers(
        self, result: Result | None, etag: str, content: bytes | ImageRejected, served: Served, wanted: str
    ) -> bool:
        """Whether a request for an explanation is all that an event was; the result stays, whichever version it is of.

        Args:
            result: what stands of the object, if anything does.
            etag: of the object now.
            content: of the object now.
            served: the version that explains.
            wanted: what is asked for; nothing, mostly.

        Raises:
            CosmoFormerError: as for :meth:`keep`.
        """
        if not is_asked(wanted) or result is None or result["image"]["etag"] != etag:
            return False
        if isinstance(content, bytes) and result["status"] == "classified":
            self.keep(result, content, served, wanted)
        return True

    def keep(self, result: Result, content: bytes, served: Served, wanted: str) -> None:
        """Write the explanation of an image in the bucket beside its result, unless it stands there already.

        Raises:
            Overloaded: another one is computed, or too many wait for the model.
            CosmoFormerError: the store fails.
        """
        image, version = result["image"], served.version
        output = "" if is_default(wanted) else wanted
        bucket = self._settings.results_bucket
        key = explanations.explanation_key(self._settings, image["key"], output)
        # One at a time: of many who ask for the same one has it computed, and the others' threads are for classifying.
        if not self._keeping.acquire(blocking=False):
            raise Overloaded("another explanation is computed")
        try:
            found = self._store.read_json(bucket, key)
            if found and explanations.stands(found[0], image, version.sha256):
                return
            said = self.explain_or_refuse(content, result, served, wanted)
            written = explanations.document(image, version, said)
            self._store.write_json(bucket, key, written, replacing=found and found[1])
        finally:
            self._keeping.release()
        log.info("explained", extra={"output": said.get("output"), "refused": "refused" in said})

    def _explained(self, content: bytes, artifact: Artifact, output: str, zoom: float) -> explanations.Document:
        picture = predictor.decode(content, self._limits, Framing(zoom), artifact.metadata.bands)
        with metrics.PHASE_SECONDS.labels("explain").time():
            return explanations.explained(artifact, picture.pixels, output)


def _output(result: Result, served: Served, wanted: str) -> str:
    """What is explained: the output that is named, else the result's class, where this version has it."""
    judged: str = (result["prediction"] or {}).get("class", "")
    return judged if is_default(wanted) and judged in served.artifact.metadata.names else wanted
