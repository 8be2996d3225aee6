"""One attempt to deliver one event, and what its answer means (Knative data plane, "Event Acknowledgement")."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

import urllib3
from urllib3.exceptions import HTTPError, InvalidHeader, ReadTimeoutError

from cosmoformer.errors import InvalidEvent, UnsupportedEvent
from cosmoformer.events.cloudevents import Event, is_event, parse, to_binary
from cosmoformer.local.knative.event_queue import Failure
from cosmoformer.tracing import headers_of


class Verdict(Enum):
    """What happens to a delivery after an attempt."""

    DONE = "delivered"
    RETRY = "tried again"
    REFUSED = "a dead letter at once"


# The table of the data plane contract. The first row that fits decides; a status in no row is retried.
STATUS_TABLE: tuple[tuple[range, Verdict], ...] = (
    (range(404, 405), Verdict.RETRY),
    (range(408, 410), Verdict.RETRY),
    (range(429, 430), Verdict.RETRY),
    (range(100, 200), Verdict.REFUSED),
    (range(200, 300), Verdict.DONE),
    (range(300, 400), Verdict.REFUSED),
    (range(400, 500), Verdict.REFUSED),
    (range(500, 600), Verdict.RETRY),
)

# By these statuses a dead-letter sink says that it will never take this very letter. Any other may come of a sink that is set up
# wrongly, and passes once that is mended.
NEVER_TAKEN = frozenset({400, 413, 414, 415, 422, 431})

# Knative's own choices for what the contract leaves open.
NO_ANSWER = 500
NO_EVENT_IN_ANSWER = 502
ERROR_DATA_LIMIT = 1024  # characters of base64, which is 768 bytes of the answer


@dataclass(frozen=True)
class Outcome:
    """The end of an attempt.

    Attributes:
        verdict: what to do next.
        code: the HTTP status, or Knative's stand-in where no usable answer came.
        body: the answer's body, or words about what went wrong.
        retry_after_s: the wait that the subscriber asked for, 0 if none.
        reply: the event in the answer.
    """

    verdict: Verdict
    code: int
    body: bytes = b""
    retry_after_s: float = 0.0
    reply: Event | None = None

    def failure(self, destination: str) -> Failure:
        """What the dead letter will say about this outcome."""
        return Failure(destination, self.code, base64.b64encode(self.body).decode()[:ERROR_DATA_LIMIT])


def verdict_on(status: int) -> Verdict:
    """The verdict on a status, body aside."""
    return next((verdict for statuses, verdict in STATUS_TABLE if status in statuses), Verdict.RETRY)


def attempt(pool: urllib3.PoolManager, url: str, event: Event, timeout_s: float) -> Outcome:
    """POST an event to a subscriber that may reply with an event."""
    answer = _post(pool, url, event, timeout_s, {"Prefer": "reply"})
    if isinstance(answer, Outcome):
        return answer
    verdict = verdict_on(answer.status)
    if verdict is Verdict.DONE:
        return _accepted(answer)
    return Outcome(verdict, answer.status, answer.data, _retry_after_s(answer.headers))


def attempt_dead_letter(pool: urllib3.PoolManager, url: str, event: Event, timeout_s: float) -> Outcome:
    """POST an event to a dead-letter sink; all that may pass is to be retried, since there is nowhere else to go."""
    answer = _post(pool, url, event, timeout_s, {})
    if isinstance(answer, Outcome):
        return answer
    verdict = Verdict.DONE if verdict_on(answer.status) is Verdict.DONE else Verdict.RETRY
    if answer.status in NEVER_TAKEN:
        verdict = Verdict.REFUSED
    return Outcome(verdict, answer.status, answer.data, _retry_after_s(answer.headers))


def as_dead_letter(event: Event, failure: Failure) -> Event:
    """The event with Knative's error extensions."""
    extensions = {
        "knativeerrordest": failure.destination,
        "knativeerrorcode": str(failure.code),
        "knativeerrordata": failure.data,
    }
    # An empty string is no valid value of an extension.
    return replace(event, attributes={**event.attributes, **{name: text for name, text in extensions.items() if text}})


def _post(
    pool: urllib3.PoolManager, url: str, event: Event, timeout_s: float, headers: Mapping[str, str]
) -> urllib3.BaseHTTPResponse | Outcome:
    own, body = to_binary(event)
    try:
        return pool.request(
            "POST",
            url,
            body=body,
            headers={**own, **headers, **headers_of(event.attributes)},
            timeout=urllib3.Timeout(total=timeout_s),
            retries=False,  # redirects included: a 3xx is an answer like any other
        )
    except ReadTimeoutError:
        words = f"dispatch error: {url} did not answer within {timeout_s:g} s"
    except HTTPError as error:
        words = f"dispatch error: {error}"
    except ValueError as error:  # an attribute that no header can carry; trying again changes nothing
        return Outcome(Verdict.REFUSED, 400, str(error).encode())
    return Outcome(Verdict.RETRY, NO_ANSWER, words.encode())


def _accepted(answer: urllib3.BaseHTTPResponse) -> Outcome:
    """A 2xx; only a 200 carries a reply, and what is no event does not belong there."""
    headers = dict(answer.headers)
    if not is_event(headers):
        if not answer.data:
            return Outcome(Verdict.DONE, answer.status)
        words = f"expected an empty body or a CloudEvent, got {headers.get('Content-Type', 'no content type')}: "
        return Outcome(Verdict.RETRY, NO_EVENT_IN_ANSWER, words.encode() + answer.data)
    if answer.status != 200:
        return Outcome(Verdict.DONE, answer.status)
    try:
        return Outcome(Verdict.DONE, answer.status, reply=parse(headers, answer.data))
    except (InvalidEvent, UnsupportedEvent) as error:
        return Outcome(Verdict.RETRY, NO_EVENT_IN_ANSWER, f"the reply is no valid CloudEvent: {error}".encode())


def _retry_after_s(headers: Mapping[str, str]) -> float:
    if "Retry-After" not in headers:
        return 0.0
    try:
        return urllib3.Retry().parse_retry_after(headers["Retry-After"])
    except InvalidHeader:
        return 0.0
