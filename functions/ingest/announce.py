"""Announcements: which objects are images, and the broker that their events are sent to."""

from __future__ import annotations

from dataclasses import replace

import urllib3
from urllib3.util import Retry, Timeout

from cosmoformer import connections, tracing
from cosmoformer.errors import BrokerUnavailable
from cosmoformer.events import cloudevents
from cosmoformer.events.cloudevents import Event
from cosmoformer.served_models import FOLDER
from cosmoformer.settings import Settings
from cosmoformer.storage.keys import is_key
from functions.ingest import metrics

_CONNECTIONS = 16
_SHOWN_BYTES = 200


class Broker:
    """The broker at ``K_SINK``, over connections that stay open. Safe for threads."""

    def __init__(self, settings: Settings) -> None:
        self._url: str = settings.k_sink
        # One retry for a connection that the broker closed while it was idle. An event that arrives twice does no harm.
        self._http = connections.broker(
            settings,
            maxsize=_CONNECTIONS,
            timeout=Timeout(settings.broker_timeout_seconds),
            retries=Retry(total=1, allowed_methods=None, respect_retry_after_header=False),
        )

    def send(self, event: Event) -> None:
        """Hand an event over, in binary mode.

        Raises:
            BrokerUnavailable: the broker does not answer, or with anything but a 2xx.
        """
        traced = replace(event, attributes=tracing.with_trace(event.attributes, tracing.present()))
        headers, body = cloudevents.to_binary(traced)
        headers |= tracing.headers_of(traced.attributes)
        try:
            answer = self._http.request("POST", self._url, body=body, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            metrics.BROKER_FAILURES.inc()
            raise BrokerUnavailable(f"{self._url} does not answer: {error}", "Is K_SINK right?") from error
        if not 200 <= answer.status < 300:
            metrics.BROKER_FAILURES.inc()
            said = answer.data[:_SHOWN_BYTES].decode(errors="replace")
            raise BrokerUnavailable(f"{self._url} answered {answer.status}: {said}")
        metrics.EVENTS_SENT.count(event.type)


def is_image(settings: Settings, bucket: str, key: str) -> bool:
    """Whether an object is one that gets classified.

    Objects outside ``IMAGES_BUCKET`` and ``IMAGES_PREFIX`` are not; neither are folder markers, nor what CosmoFormer itself
    wrote where images and results share a bucket.
    """
    if bucket != settings.images_bucket or not key.startswith(settings.images_prefix) or key.endswith("/"):
        return False
    return is_key(key) and not (bucket == settings.results_bucket and key.startswith(_own(settings)))


def _own(settings: Settings) -> tuple[str, ...]:
    """What the keys of objects that CosmoFormer writes start with; results may stand anywhere."""
    optional = (settings.features_prefix, settings.copies_prefix, settings.judgements_key, settings.serving_key)
    needed = (settings.results_prefix, settings.explanations_prefix, settings.dead_letters_prefix, FOLDER)
    return (*needed, *filter(None, optional))
