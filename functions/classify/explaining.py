"""Explanations on request: what the version that answered looked at in an image."""

from __future__ import annotations

import logging

from cosmoformer.errors import NotExplained
from cosmoformer.images.picture import Limits
from cosmoformer.models.artifact import Artifact
from cosmoformer.settings import Settings
from cosmoformer.storage import explanations
from cosmoformer.storage.results import Result
from cosmoformer.storage.store import Store
from functions.classify import metrics, predictor
from functions.classify.line import Line
from functions.classify.serving import Served

log = logging.getLogger(__name__)
#: Of a CloudEvent, as an extension attribute, and of a URL: 1, or the name of an output.
ASKED_BY = "explain"


class Explainer:
    """Explains images, each in the line of predictions."""

    def __init__(self, settings: Settings, store: Store, limits: Limits, line: Line) -> None:
        self._settings, self._store, self._limits, self._line = settings, store, limits, line

    def explain(self, content: bytes, served: Served, wanted: str) -> explanations.Document:
        """The explanation of an image that came by itself.

        Args:
            content: of a file that can be classified.
            served: the version that has judged it.
            wanted: as in :func:`cosmoformer.models.explanation.explain`.

        Raises:
            InvalidRequest: the model has no such output.
            NotExplained: it is too slow.
            Overloaded: too many wait for the model.
        """
        return self._line.run(lambda: self._explained(content, served.artifact, wanted))

    def keep(self, result: Result, content: bytes, served: Served, wanted: str) -> None:
        """Write the explanation of an image in the bucket beside its result, unless it stands there already.

        Raises:
            CosmoFormerError: as for :meth:`explain`, but what a model is too slow for is written down.
        """
        image, version = result["image"], served.version
        bucket, key = self._settings.results_bucket, explanations.explanation_key(self._settings, image["key"])
        found = self._store.read_json(bucket, key)
        default = (result["prediction"] or {}).get("class", "")
        output = wanted if wanted in served.artifact.metadata.names else default
        if found and explanations.stands(found[0], image, version, output):
            return
        try:
            said: explanations.Document | NotExplained = self.explain(content, served, wanted)
        except NotExplained as error:
            said = error
        # Of two at once either is right.
        self._store.write_json(bucket, key, explanations.document(image, version, said), replacing=found and found[1])
        log.info("explained", extra={"output": output, "refused": isinstance(said, NotExplained)})

    def _explained(self, content: bytes, artifact: Artifact, wanted: str) -> explanations.Document:
        picture = predictor.decode(content, self._limits)
        with metrics.PHASE_SECONDS.labels("explain").time():
            return explanations.explained(artifact, picture.pixels, wanted)
