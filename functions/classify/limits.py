"""How large a request may be."""

from __future__ import annotations

from cosmoformer.http.server import Limits
from cosmoformer.settings import Settings

#: A structured event carries its picture in base64, a third longer, beside its attributes.
_ENVELOPE = 4 / 3
_ATTRIBUTES_BYTES = 65536
_BODIES = 4  # of the largest size, in memory at a time


def most_bytes(settings: Settings) -> int:
    """The largest body that is read."""
    return int(settings.max_image_bytes * _ENVELOPE) + _ATTRIBUTES_BYTES


def limits(settings: Settings) -> Limits:
    """What the server takes. A picture that is too large becomes a rejection, for which its length is enough."""
    most = most_bytes(settings)
    return Limits(body_bytes=most, held_bytes=_BODIES * most, judged_unread=True)
