"""A real HTTP subscriber that answers as told and remembers what it got."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


@dataclass(frozen=True)
class Answer:
    """One scripted answer."""

    status: int = 202
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    after_s: float = 0.0


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    at: float
    headers: Mapping[str, str]
    body: bytes


class Subscriber:
    """Answers with ``script`` in order, then with its last entry for ever."""

    def __init__(self, *script: Answer | int, port: int = 0) -> None:
        self.script = [Answer(item) if isinstance(item, int) else item for item in script or (202,)]
        self.received: list[Received] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        handler = type("SubscriberHandler", (_Handler,), {"owner": self})
        self._server = _Server(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> Subscriber:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def ids(self) -> list[str]:
        """The ids of the events received, in order."""
        return [item.headers["ce-id"] for item in self.received]

    def take(self, request: Received) -> Answer:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self.received.append(request)
            answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        time.sleep(answer.after_s)
        with self._lock:
            self._at_once -= 1
        return answer


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a sender that did not wait for the answer


class _Handler(BaseHTTPRequestHandler):
    owner: Subscriber
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.owner.take(Received(time.monotonic(), headers, body))
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def wait_until(condition: Callable[[], object], deadline_s: float = 15.0) -> None:
    """Poll until the condition holds.

    Raises:
        AssertionError: it did not hold in time.
    """
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"still not so after {deadline_s} s"
        time.sleep(0.01)
