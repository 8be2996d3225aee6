"""Points in time as text: RFC 3339, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(when: datetime, timespec: str = "milliseconds") -> str:
    """An aware time in UTC, such as ``2026-01-01T00:00:00.000Z``; ``timespec`` as in :meth:`datetime.isoformat`."""
    return when.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
