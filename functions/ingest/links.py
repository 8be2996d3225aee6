"""Names of batches: one that uploads, and one, made from it, that only shows.

The name that uploads is ``upload-``, the time, and 128 random bits. The name that shows is the time and a digest of the former,
from which nobody finds the former again. Keys in the store hold the second only: whoever sees a key, a notification or a
catalogue can show the batch and add nothing to it. Nothing is remembered: the digest is all that ties the two.

Names that people choose could be guessed, and so are none.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import UTC, datetime
from typing import Any

from cosmoformer.errors import InvalidRequest, NotAllowed
from cosmoformer.settings import Settings
from cosmoformer.storage.keys import UPLOADS

_UPLOADS = re.compile(r"upload-(?P<time>\d{8}T\d{6}Z)-[0-9a-f]{32}", re.ASCII)
# Batches of earlier versions have names of this form too, which then uploaded as well: they only show now.
_SHOWS = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{32}", re.ASCII)


def new_batch() -> str:
    """A name that uploads: with the UTC time, so that batches sort, and random, so that nobody guesses it."""
    return f"upload-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(16)}"


def showing(batch: str) -> str:
    """The name that shows a batch, from the one that uploads into it.

    Raises:
        InvalidRequest: it is no such name.
    """
    match = _UPLOADS.fullmatch(batch)
    if not match:
        raise InvalidRequest(f"{batch[:80]!r} is no batch that this service named", "Leave it out to get a new one")
    return f"{match['time']}-{hashlib.sha256(batch.encode()).hexdigest()[:32]}"


def asked_to_upload(batch: Any) -> str:
    """The name that uploads which a request gives, or a new one.

    Raises:
        NotAllowed: the name only shows.
        InvalidRequest: it is no name that this service gave.
    """
    if batch is None:
        return new_batch()
    if not isinstance(batch, str):
        raise InvalidRequest(
            f"batch must be a name that this service gave, got {str(batch)[:80]!r}", "Leave it out to get a new one"
        )
    if _SHOWS.fullmatch(batch):
        raise NotAllowed(f"{batch!r} shows a batch and uploads nothing", "Leave it out to get a new batch")
    showing(batch)
    return batch


def asked_to_show(batch: str) -> str:
    """The name that shows which a request gives.

    Raises:
        InvalidRequest: it is no name that shows.
    """
    if _SHOWS.fullmatch(batch):
        return batch
    raise InvalidRequest(f"{batch[:80]!r} is no link to a batch", "Is it complete?")


def folder(settings: Settings, show: str) -> str:
    """What the keys of a batch's images start with, with its trailing slash."""
    return f"{settings.images_prefix}{UPLOADS}{show}/"
