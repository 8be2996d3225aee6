"""How large a request may be."""

from __future__ import annotations

from cosmoformer.http.server import Limits
from cosmoformer.settings import Settings

#: Of a notification, which may carry a thousand records.
REQUEST_BYTES = 4 * 2**20
_BODIES = 4  # of the largest size, in memory at a time


def letter_bytes(settings: Settings) -> int:
    """Of a dead letter, whose event may carry a picture, and that in base64."""
    return int(settings.max_image_bytes * 4 // 3) + REQUEST_BYTES


def limits(settings: Settings) -> Limits:
    """What the server takes: a dead letter is the largest of it."""
    return Limits(body_bytes=letter_bytes(settings), held_bytes=_BODIES * letter_bytes(settings))
