"""Requests to the functions and the broker, whose errors arrive as problem details (RFC 9457)."""

from __future__ import annotations

import json
import ssl
from typing import Any

import urllib3

from cosmoformer import connections
from cosmoformer.addresses import is_address
from cosmoformer.errors import CosmoFormerError, PermanentError, SettingsError, TransientError

# A 429 or 503 says when to come back; nobody says so of an answer that takes too long.
_RETRIES = urllib3.Retry(
    3, connect=1, read=0, backoff_factor=0.5, status_forcelist=(429, 503), allowed_methods=None, raise_on_status=False
)


class Service:
    """One HTTP server.

    Args:
        url: its address, as the setting has it.
        setting: name of that setting, for error messages.
        timeout_s: how long an answer may take.
        tls: which certificates are trusted; None is the system's.
        patient: whether a server that is busy, or not there yet, is asked again.
    """

    def __init__(
        self, url: str, setting: str, timeout_s: float, *, patient: bool = True, tls: ssl.SSLContext | None = None
    ) -> None:
        self.url, self.setting = url.rstrip("/"), setting
        timeout = urllib3.Timeout(connect=5, read=timeout_s)
        self._http = connections.pool(self.url, tls, timeout=timeout, retries=_RETRIES if patient else False)

    def get(self, path: str) -> Any:
        """The JSON document at a path; None when the answer has no body, text when it is no JSON.

        Raises:
            CosmoFormerError: it does not answer, or answers with an error.
        """
        return document(self.send("GET", path))

    def post(self, path: str, request: object) -> Any:
        """The JSON answer to a JSON document.

        Raises:
            CosmoFormerError: it does not answer, or answers with an error.
        """
        headers = {"Content-Type": "application/json"}
        return document(self.send("POST", path, json.dumps(request).encode(), headers))

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        expected: tuple[int, ...] = (),
    ) -> urllib3.BaseHTTPResponse:
        """The answer to a request, when its status is a 2xx or one of those ``expected``.

        Raises:
            SettingsError: its address is none.
            TransientError: it does not answer, or answers with an error that may pass.
            PermanentError: it answers with any other error.
        """
        if not is_address(self.url):
            raise SettingsError(f"{self.setting} is {self.url!r}", "Expected http://HOST:PORT or https://HOST")
        url = self.url + path
        try:
            answer = self._http.request(method, url, body=body, headers=headers)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise TransientError(
                f"{url} does not answer: {_reason(error)}", f"Is {self.setting} right and does it run?"
            ) from error
        if 200 <= answer.status < 300 or answer.status in expected:
            return answer
        raise _problem(answer, f"{method} {url}")


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(reason).rpartition(": ")[2]  # urllib3 puts its own objects' addresses in front


def _problem(answer: urllib3.BaseHTTPResponse, request: str) -> CosmoFormerError:
    kind = TransientError if answer.status >= 500 or answer.status == 429 else PermanentError
    try:
        members = json.loads(answer.data)
        detail = str(members.get("detail") or members.get("title"))
        return kind(f"{request} answered {answer.status}: {detail}", str(members.get("mend", "")))
    except (ValueError, AttributeError):
        return kind(f"{request} answered {answer.status}: {answer.data[:200].decode(errors='replace')}")


def document(answer: urllib3.BaseHTTPResponse) -> Any:
    """The JSON document of an answer; None when it has no body, text when it is no JSON."""
    try:
        return json.loads(answer.data) if answer.data else None
    except ValueError:
        return answer.data.decode(errors="replace").strip()
