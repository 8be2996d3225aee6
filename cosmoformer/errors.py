"""Every error CosmoFormer raises on purpose, and the one JSON shape in which HTTP clients see them.

    CosmoFormerError
    ├── PermanentError                 trying again changes nothing
    │   ├── SettingsError              a setting is missing or malformed
    │   ├── InvalidEvent          400  a CloudEvent breaks the specification
    │   ├── InvalidRequest        400  a request body is not what the endpoint takes
    │   ├── Unauthorized          401  a signature or secret is wrong
    │   ├── StoreRefused          403  the object store will never do it: archived, foreign encryption, unknown request
    │   ├── NotAllowed            403  an event names a bucket or key outside the configured ones
    │   ├── ObjectGone            410  an object does not exist (any more); an event about it is done
    │   ├── TooLarge              413  a request body is over the limit
    │   ├── UnsupportedEvent      415  batches and event types that nothing here handles
    │   ├── ImageRejected         422  not a picture that can be classified; recorded as a result
    │   ├── ModelRefused          422  a model version fails its digest, its load, its self-check or an image
    │   └── NotExplained          422  a model is too slow to explain itself
    └── TransientError                 trying again later may help
        ├── StoreUnavailable      503  the object store does not answer
        ├── RegistryUnavailable   503  MLflow does not answer, or the alias does not exist yet
        ├── ModelNotReady         503  no model has been loaded yet
        ├── BrokerUnavailable     503  the broker did not take an event
        ├── Overloaded            503  the line is full; answered with Retry-After
        └── Abandoned             503  the sender has closed its connection, so nobody reads this answer

Brokers retry 5xx, 404, 408, 409 and 429 and send every other 4xx to the dead-letter sink (Knative data plane, "Event
Acknowledgement and Delivery Retry"), which is why no permanent error here has one of those statuses.
"""

from __future__ import annotations

import json

PROBLEM_JSON = "application/problem+json"


class CosmoFormerError(Exception):
    """Base of every error raised on purpose.

    Args:
        detail: what was expected and what came.
        mend: what to do about it; empty when the detail already says so.
    """

    status = 500
    title = "Internal error"

    def __init__(self, detail: str, mend: str = "") -> None:
        super().__init__(detail if not mend else f"{detail}. {mend}")
        self.detail = detail
        self.mend = mend


class PermanentError(CosmoFormerError):
    """Trying again changes nothing."""


class TransientError(CosmoFormerError):
    """Trying again later may help."""

    status = 503
    retry_after_s = 2


class SettingsError(PermanentError):
    """A setting is missing or malformed."""

    title = "Setting missing or malformed"


class InvalidEvent(PermanentError):
    """A CloudEvent breaks the CloudEvents 1.0 specification."""

    status = 400
    title = "Invalid CloudEvent"


class InvalidRequest(PermanentError):
    """A request body is not what the endpoint takes."""

    status = 400
    title = "Invalid request"


class Unauthorized(PermanentError):
    """A signature or a secret is missing or wrong."""

    status = 401
    title = "Unauthorized"


class NotAllowed(PermanentError):
    """An event names a bucket or key outside the configured ones."""

    status = 403
    title = "Not allowed"


class StoreRefused(PermanentError):
    """The object store will not do it, however often it is asked.

    Args:
        detail: what was asked and what the store says.
        mend: what to do about it.
        code: short stable name of the reason, part of the result schema.
    """

    status = 403
    title = "Refused by the object store"

    def __init__(self, detail: str, mend: str, code: str) -> None:
        super().__init__(detail, mend)
        self.code = code


class ObjectGone(PermanentError):
    """An object does not exist, or not any more."""

    status = 410
    title = "Object gone"


class TooLarge(PermanentError):
    """A request body is over the limit."""

    status = 413
    title = "Too large"


class UnsupportedEvent(PermanentError):
    """A batch of events, or an event type that nothing here handles."""

    status = 415
    title = "Unsupported event"


class ImageRejected(PermanentError):
    """The bytes are not a picture that can be classified.

    Args:
        code: short stable name of the reason, part of the result schema.
        detail: the reason in words a person understands.
    """

    status = 422
    title = "Image rejected"

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class ModelRefused(PermanentError):
    """A model version fails its digest, its load, its self-check or the promotion gate, or gives numbers that are not finite."""

    status = 422
    title = "Model version refused"


class NotExplained(PermanentError):
    """A model cannot explain what it gives."""

    status = 422
    title = "Not explained"


class StoreUnavailable(TransientError):
    """The object store does not answer."""

    title = "Object store unavailable"


class RegistryUnavailable(TransientError):
    """MLflow does not answer, or the model or alias does not exist yet."""

    title = "Model registry unavailable"


class ModelNotReady(TransientError):
    """No model has been loaded yet."""

    title = "Model not ready"


class BrokerUnavailable(TransientError):
    """The broker did not take an event."""

    title = "Broker unavailable"


class Overloaded(TransientError):
    """The waiting line is full."""

    title = "Overloaded"


class Abandoned(TransientError):
    """Nobody waits for the answer any more."""

    title = "Abandoned"


def problem(error: CosmoFormerError, **extra: object) -> tuple[bytes, int, dict[str, str]]:
    """The HTTP answer for an error: problem details of RFC 9457.

    Args:
        error: what went wrong.
        extra: further members of the JSON object, such as ``event_id``.

    Returns:
        Body, status and headers.
    """
    members = {
        "type": f"urn:cosmoformer:problem:{type(error).__name__}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "mend": error.mend,
        **extra,
    }
    headers = {"Content-Type": PROBLEM_JSON}
    if isinstance(error, TransientError):
        headers["Retry-After"] = str(error.retry_after_s)
    body = json.dumps({name: value for name, value in members.items() if value not in ("", None)})
    return body.encode(), error.status, headers


def first_line(error: BaseException) -> str:
    """What an error of a library says, without the pages that may follow; its kind, where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
