"""How large a request may be."""

from __future__ import annotations

from flask import request

from cosmoformer.errors import TooLarge
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


def read_body(settings: Settings) -> bytes:
    """The body of the present request.

    Raises:
        TooLarge: it has more bytes than are read.
    """
    most = most_bytes(settings)
    if (request.content_length or 0) > most:
        raise too_large_body(f"{request.content_length:,}", settings)
    # Without it a chunked body, which does not tell its length, would be read whole.
    request.max_content_length = most
    body = request.get_data()
    if len(body) >= most:  # a chunked body, of which no more than this was read
        raise too_large_body(f"{len(body):,} or more", settings)
    return body


def too_large_body(size: str, settings: Settings) -> TooLarge:
    """Why a body of so many bytes is not read."""
    return TooLarge(f"the body has {size} bytes; pictures of at most {settings.max_image_bytes:,} bytes are classified")
