"""MLflow's webhooks: a signed message that an alias moved becomes an event. Only a hint: classify asks the registry anyway."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any

from cosmoformer import strict_json
from cosmoformer.errors import InvalidRequest, Unauthorized
from cosmoformer.events import cloudevents
from cosmoformer.events.cloudevents import Event
from cosmoformer.served_models import further_models
from cosmoformer.settings import Settings

SIGNATURE = "X-MLflow-Signature"
DELIVERY_ID = "X-MLflow-Delivery-Id"
TIMESTAMP = "X-MLflow-Timestamp"
#: A message signed longer ago than this, or later than now by as much, may be a replay of a recorded one.
MAX_AGE_S = 300

_SCHEME = "v1,"
_SECONDS = re.compile(r"[0-9]{1,12}")


def verify(secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> None:
    """Check a message's signature: HMAC-SHA256 of ``<delivery id>.<timestamp>.<body>``, in base64, after ``v1,``.

    Args:
        secret: shared with MLflow.
        headers: of the request, in any case.
        body: of the request, as it came.
        now_s: seconds since the epoch.

    Raises:
        Unauthorized: the signature is missing, wrong or too old, or there is no secret.
    """
    if not secret:
        raise Unauthorized("webhooks are refused because MLFLOW_WEBHOOK_SECRET is not set", "Set it here and in MLflow")
    known = {name.lower(): value for name, value in headers.items()}
    delivery, timestamp, signature = (known.get(name.lower(), "") for name in (DELIVERY_ID, TIMESTAMP, SIGNATURE))
    if not (delivery and _SECONDS.fullmatch(timestamp) and signature.startswith(_SCHEME)):
        raise Unauthorized(
            f"expected the headers {DELIVERY_ID}, {TIMESTAMP} (seconds) and {SIGNATURE} ({_SCHEME}…)",
            "Give the webhook a secret in MLflow",
        )
    if abs(now_s - int(timestamp)) > MAX_AGE_S:
        raise Unauthorized(f"the message was signed at {timestamp}; the clock here says {int(now_s)}", "Set the clocks")
    signed = f"{delivery}.{timestamp}.".encode() + body
    if not hmac.compare_digest(hmac.new(secret.encode(), signed, hashlib.sha256).digest(), _mac(signature)):
        raise Unauthorized(f"{SIGNATURE} does not fit this message", "Set the same MLFLOW_WEBHOOK_SECRET on both sides")


def _mac(signature: str) -> bytes:
    try:
        return base64.b64decode(signature.removeprefix(_SCHEME), validate=True)
    except (binascii.Error, ValueError):
        return b""


def alias_event(settings: Settings, delivery_id: str, body: bytes) -> Event | None:
    """The event for a message that an alias of a served model was set; None for every other message.

    Args:
        settings: ``MODEL_NAME`` and ``SERVED_MODELS`` name the models.
        delivery_id: the same at each attempt to deliver this message.
        body: of the request.

    Raises:
        InvalidRequest: the body is no webhook message.
    """
    message = _message(body)
    moved, data = (message.get("entity"), message.get("action")), message.get("data")
    if moved != ("model_version_alias", "created") or not isinstance(data, dict):
        return None
    name, alias, version = (str(data.get(member, "")) for member in ("name", "alias", "version"))
    if name not in (settings.model_name, *further_models(settings)):
        return None
    return cloudevents.new(
        type=cloudevents.ALIAS_MOVED,
        source="urn:cosmoformer:registry",
        id=delivery_id,
        subject=f"{name}@{alias}",
        data={"name": name, "alias": alias, "version": version},
        formodel=name,
    )


def _message(body: bytes) -> dict[str, Any]:
    try:
        message = strict_json.loads(body)
    except ValueError as error:
        raise InvalidRequest(f"expected the JSON of an MLflow webhook: {error}") from None
    if not isinstance(message, dict):
        raise InvalidRequest(f"expected the JSON object of an MLflow webhook, got a JSON {type(message).__name__}")
    return message
