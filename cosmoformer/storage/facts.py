"""What a result is told before anything is judged: the image that it is about, and the event that led to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class ImageFacts:
    """The image that a result is about.

    Attributes:
        bucket: bucket it was read from; None for an image that came inside an event.
        key: object key; None likewise.
        etag: entity tag by the store; None likewise.
        size_bytes: length of the file.
        last_modified: when the store took it, ISO 8601; None likewise.
        sha256: digest of the file; None when it was too large to be read.
        width: of the picture as it came, pixels; None when it could not be decoded.
        height: likewise.
        format: file format, such as JPEG; None likewise.
        conversions: what was done to make it 8-bit square RGB, in order.
        zoom: side of the picture over the side that was shown to the model; None likewise.
    """

    bucket: str | None
    key: str | None
    etag: str | None
    size_bytes: int
    last_modified: str | None
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    format: str | None = None
    conversions: tuple[str, ...] = ()
    zoom: float | None = None


@dataclass(frozen=True)
class Origin:
    """Which event led to a result.

    Attributes:
        event_id: the CloudEvent's id; None for a bare upload.
        event_source: its source; None likewise.
        event_time: its time, ISO 8601; None likewise.
        started: when this work on it began.
    """

    event_id: str | None
    event_source: str | None
    event_time: str | None
    started: datetime
