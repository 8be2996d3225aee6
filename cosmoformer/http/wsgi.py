"""WSGI applications of one function, for what is too small for Flask's routes."""

from __future__ import annotations

import ipaddress
import json
import logging
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.wrappers import Request, Response

from cosmoformer.errors import CosmoFormerError, NotAllowed, problem
from cosmoformer.http.server import WsgiApplication

_log = logging.getLogger(__name__)
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def application(answer: Callable[[Request], Response]) -> WsgiApplication:
    """A WSGI application that answers every request by a function; errors raised in it become problem details."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            response = answer(Request(environ))
        except CosmoFormerError as error:
            response = refusal(error)
        except Exception as error:
            _log.exception("unexpected error")
            response = refusal(CosmoFormerError(f"unexpected {type(error).__name__}", "The log tells more"))
        return response(environ, start_response)

    return app


def check_name(request: Request) -> None:
    """Check that a server of one machine was asked for by one of that machine's names.

    A page elsewhere can have its own name lead to 127.0.0.1 (DNS rebinding), and would then be allowed to read the answers.

    Raises:
        NotAllowed: it was asked for by another name.
    """
    host = request.headers.get("Host", "")
    name = host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host
    if not is_loopback(name.strip("[]").lower()):
        raise NotAllowed(f"this is no server of {host[:80]!r}", f"Ask for it by {' or '.join(_LOOPBACK)}")


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is for this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refusal(error: CosmoFormerError, **extra: object) -> Response:
    """An error as problem details."""
    return Response(*problem(error, **extra))


def json_response(members: object) -> Response:
    """A JSON answer."""
    return Response(json.dumps(members), mimetype="application/json")
