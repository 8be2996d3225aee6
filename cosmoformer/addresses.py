"""Addresses of servers and origins of pages, as settings have them."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_address(url: str) -> bool:
    """Whether a URL is one of a server that HTTP reaches."""
    try:
        parts = urlsplit(url)
        return parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this very machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def origin(url: str) -> str:
    """An origin as browsers write it into the header ``Origin`` (RFC 6454, section 6.2): lower case, no port that goes
    without saying, no trailing slash.

    Raises:
        ValueError: it is no ``http://HOST[:PORT]``, or has a path, a user, a query or a fragment, which no origin has.
    """
    parts = urlsplit(url.strip())
    is_bare = not (parts.query or parts.fragment or parts.username is not None or parts.path not in ("", "/"))
    if not (is_address(url.strip()) and is_bare):
        raise ValueError(url)
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
