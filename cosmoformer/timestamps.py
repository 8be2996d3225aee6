"""Points in time as text: RFC 3339."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_SECOND = timedelta(seconds=1)
_RFC3339 = re.compile(
    r"(?P<minute>\d{4}-\d\d-\d\dT\d\d:\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d+))?(?P<zone>Z|[+-]\d\d:[0-5]\d)",
    re.ASCII,
)


def rfc3339(when: datetime, timespec: str = "milliseconds") -> str:
    """An aware time in UTC, such as ``2026-01-01T00:00:00.000Z``; ``timespec`` as in :meth:`datetime.isoformat`."""
    return when.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """The aware time that an RFC 3339 ``date-time`` names (section 5.6).

    Letters may be in either case, and fractions of a second of any length; what is finer than a microsecond is cut. A leap
    second is the first second of the day that follows, as clocks of computers count.

    Raises:
        ValueError: the text is none, or of a year that Python does not know.
    """
    found = _RFC3339.fullmatch(text.upper())
    if not found:
        raise ValueError(f"not an RFC 3339 date-time: {text[:40]!r}")
    leap = found["second"] == "60"
    second, fraction = "59" if leap else found["second"], (found["fraction"] or "0")[:6].ljust(6, "0")
    when = datetime.fromisoformat(f"{found['minute']}:{second}.{fraction}{found['zone'].replace('Z', '+00:00')}")
    if not leap:
        return when
    try:
        when += _SECOND
        utc = when.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"of a year that Python does not know: {text[:40]!r}") from None
    if (utc.day, utc.hour, utc.minute, utc.second) != (1, 0, 0, 0):
        raise ValueError(f"no leap second, which ends a month in UTC: {text[:40]!r}")
    return when
