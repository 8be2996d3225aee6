"""Health of the broker and the functions, for ``cosmoformer status`` and ``cosmoformer doctor``."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from cosmoformer.connections import broker_tls
from cosmoformer.errors import CosmoFormerError, TransientError
from cosmoformer.services import Service, document
from cosmoformer.settings import Settings

TIMEOUT_S = 5.0
_POST_ONLY = 405  # Knative's brokers take events by POST, and answer this to anything else
Facts = dict[str, Any]


def elsewhere(url: str) -> bool:
    """Whether a server is not one of `cosmoformer up`: a cluster's broker shows no queue, and asking a function wakes it."""
    return urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1")


def ask_broker(settings: Settings) -> Facts:
    """The queue of the broker of `cosmoformer up`; of Knative's brokers only that they answer.

    Raises:
        CosmoFormerError: it does not answer, or is something else.
    """
    broker = Service(settings.k_sink, "K_SINK", TIMEOUT_S, patient=False, tls=broker_tls(settings))
    got = broker.send("GET", "/queue", expected=(_POST_ONLY,))
    if got.status == _POST_ONLY:
        return {"triggers": None}
    answer = document(got)
    if not isinstance(answer, dict) or "triggers" not in answer:
        raise TransientError("it answers, but shows no queue")
    return answer


def set_aside(settings: Settings) -> list[Facts]:
    """Dead letters that the broker of `cosmoformer up` keeps, since their sink will never take them.

    There are none at another broker, nor at one that does not answer.
    """
    if elsewhere(settings.k_sink):
        return []
    try:
        answer = Service(settings.k_sink, "K_SINK", TIMEOUT_S, patient=False, tls=broker_tls(settings)).get(
            "/set-aside"
        )
    except CosmoFormerError:
        return []
    return list(answer["set_aside"]) if isinstance(answer, dict) and "set_aside" in answer else []


def say_broker(facts: Facts) -> str:
    """What waits at the broker, in a few words."""
    if facts["triggers"] is None:
        return "takes events; Knative's brokers show no queue"
    busy = [trigger for trigger in facts["triggers"] if any(trigger[count] for count in _OUTSTANDING)]
    return "; ".join(_say_trigger(trigger) for trigger in busy) or "nothing waits"


_OUTSTANDING = {"waiting": "waiting", "in_flight": "in flight", "dead_letters_waiting": "becoming dead letters"}


def _say_trigger(trigger: Facts) -> str:
    return f"{trigger['name']}: " + ", ".join(f"{trigger[count]:,} {word}" for count, word in _OUTSTANDING.items())


def ask_ingest(settings: Settings) -> Facts:
    """Whether ingest is ready, with the ``date`` header of its answer.

    Raises:
        CosmoFormerError: it does not answer, or is not ready.
    """
    ingest = Service(settings.ingest_url, "INGEST_URL", TIMEOUT_S, patient=False)
    return {"date": ingest.send("GET", "/health/readiness").headers.get("date", "")}


def ask_classify(settings: Settings) -> Facts:
    """The state of the activator of `cosmoformer up`, which starts classify.

    Raises:
        CosmoFormerError: it does not answer; or it is elsewhere, where asking would start classify.
    """
    if elsewhere(settings.classify_url):
        raise TransientError("not asked, since that would start it")
    answer: Facts = Service(settings.classify_url, "CLASSIFY_URL", TIMEOUT_S, patient=False).get("/_activator")
    return answer


def say_classify(facts: Facts) -> str:
    """What the activator does, in a few words."""
    running = len(facts["replicas"])
    state = f"{running} running" if running else "asleep, starts with the next image"
    waiting = f", {facts['waiting']} requests wait" if facts["waiting"] else ""
    failure = f"; last start failed: {facts['last_failure']}" if facts["last_failure"] else ""
    return state + waiting + failure
