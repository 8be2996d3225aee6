"""What a server refuses before, or without, asking its application."""

from __future__ import annotations

from waitress import utilities

from cosmoformer.errors import CosmoFormerError, InvalidRequest, PermanentError, TooLarge, TransientError


class NoSuchPath(PermanentError):
    """Nothing is served under this path."""

    status = 404
    title = "No such path"


class MethodNotAllowed(PermanentError):
    """The path is served, but not with this method."""

    status = 405
    title = "Method not allowed"


class RequestTooSlow(TransientError):
    """A request did not come in time."""

    status = 408
    title = "Request too slow"


class HeadersTooLarge(PermanentError):
    """A request's line and headers are over the limit."""

    status = 431
    title = "Headers too large"


class Refusal(utilities.Error):  # type: ignore[misc]  # waitress ships without types
    """An error of ours where waitress expects one of its own.

    Args:
        problem: what the client is told.
    """

    def __init__(self, problem: CosmoFormerError) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.code, self.reason = problem.status, problem.title


# A transfer coding that is not known is the client's fault here, although RFC 9112 (section 6.1) has 501 for it: brokers and
# probes take a 5xx for a fault of the server and try again.
_KINDS = {400: InvalidRequest, 413: TooLarge, 431: HeadersTooLarge, 501: InvalidRequest}


def understood(error: utilities.Error) -> CosmoFormerError:
    """What waitress refused a request for, as an error of ours."""
    if isinstance(error, Refusal):
        return error.problem
    return _KINDS.get(error.code, CosmoFormerError)(str(error.body))
