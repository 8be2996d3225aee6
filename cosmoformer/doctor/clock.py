"""How far two clocks are apart: signatures of requests and webhooks are only good for minutes."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from cosmoformer.doctor.check import Doubt
from cosmoformer.errors import PermanentError

_NOTICED_S = 60
_REFUSED_S = 300  # a webhook's signature; S3 allows 900


def compare(date: str, whose: str) -> str:
    """How far a server's clock is from the one here.

    Args:
        date: the ``Date`` header of its answer (RFC 9110, section 5.6.7); whole seconds.
        whose: what people call the server.

    Raises:
        Doubt: it does not tell, or is a minute or more off.
        PermanentError: it is so far off that signatures are refused.
    """
    try:
        apart = (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        raise Doubt(f"{whose} does not tell its time") from None
    words = f"{abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} the clock here"
    if abs(apart) >= _REFUSED_S:
        raise PermanentError(f"{whose}'s clock is {words}", "Set the clocks (NTP): signatures are refused")
    if abs(apart) >= _NOTICED_S:
        raise Doubt(f"{whose}'s clock is {words}", "Set the clocks (NTP) before signatures are refused")
    return "right" if abs(apart) < 2 else words
