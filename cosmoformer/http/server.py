"""The server: connections in one thread, requests in others, probes in threads of their own."""

from __future__ import annotations

import logging
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from cosmoformer.errors import Overloaded, SettingsError
from cosmoformer.http.channel import Channel

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

#: What tells whether a process lives and how it is: answered while all other threads work.
PROBES = frozenset({"/health", "/health/liveness", "/health/readiness", "/metrics"})
_PROBE_THREADS = 2
_CHECK_EVERY_S = 1
_STOP_POLL_S = 0.02
_NEW_S = 1.0  # for so long a connection may be silent before another takes its place
_UNBOUNDED = 1 << 62  # for what is bounded here, and not by waitress
_log = logging.getLogger(__name__)
# It tells of each request that waits for a thread, which is what our own metrics are for.
logging.getLogger("waitress.queue").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Limits:
    """What a server takes.

    Attributes:
        body_bytes: largest body.
        judged_unread: whether a request whose length is beyond gets to the application all the same, without its body.
        header_bytes: largest request line and headers together.
        held_bytes: largest sum of the bodies that are read or worked on at a time, small ones left out, and of answers.
        connections: most at a time; beyond, the one that was silent longest is closed.
        unfinished_s: how long a request may take to come, and its answer to be taken.
        slowest_bytes_per_s: they may take longer by as much as their bodies need at this rate.
        idle_s: how long a connection may stay without a request.
    """

    body_bytes: int = 1 << 20
    judged_unread: bool = False
    header_bytes: int = 32 << 10
    held_bytes: int = 256 << 20
    connections: int = 1000
    unfinished_s: float = 20.0
    slowest_bytes_per_s: float = 64 << 10
    idle_s: int = 75

    def patience_s(self, size: float) -> float:
        """How long it may take until so many bytes have come, or have been taken."""
        return self.unfinished_s + size / self.slowest_bytes_per_s


class HttpServer(TcpWSGIServer):  # type: ignore[misc]  # waitress ships without types
    """A WSGI application over HTTP/1.1. It listens at once, and answers once it serves.

    Args:
        application: WSGI application (PEP 3333); may be given later, as the attribute of that name.
        host: address to listen on.
        port: TCP port; 0 takes a free one.
        threads: requests at once; others wait, except probes.
        limits: what it takes.
        headers: of the answers that it gives by itself.

    Raises:
        SettingsError: the port is taken.
    """

    channel_class = Channel
    accepting: bool

    def __init__(
        self,
        application: WsgiApplication | None,
        host: str,
        port: int,
        threads: int,
        limits: Limits = Limits(),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.limits, self.headers = limits, dict(headers or {})
        self.stopping = False
        self._stop_at = self._stopped_at = 0.0
        self._serving = False
        self._ended = threading.Event()
        self._probes = _threads(_PROBE_THREADS)
        adjustments = _adjustments(host, port, limits)
        self._most = min(limits.connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        try:
            super().__init__(application, dispatcher=_threads(threads), adj=adjustments, sockinfo=adjustments.listen[0])
        except OSError as error:
            raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror}", "Choose another port") from None
        self.port = int(self.effective_port)

    def held_bytes(self) -> int:
        """Memory that the bodies of all requests and answers take."""
        return sum(channel.held_bytes() for channel in list(self.active_channels.values()))

    def make_room(self, more: int) -> bool:
        """Whether a request's body may take so much more memory; those that come slowly make room for it."""
        if self.held_bytes() + more > self.limits.held_bytes:
            for channel in list(self.active_channels.values()):
                if channel.holds_in_vain():
                    channel.refuse(Overloaded("the body came slowly, and others need the memory"))
        return self.held_bytes() + more <= self.limits.held_bytes

    def add_task(self, task: Channel) -> None:
        """Have the first request of a connection answered."""
        request = task.requests[0]
        task.refused |= request.unread
        is_probe = request.error or (request.command in ("GET", "HEAD") and request.path in PROBES)
        (self._probes if is_probe else self.task_dispatcher).add_task(task)

    def maintenance(self, now: float) -> None:
        """Look at every connection, once a second."""
        for channel in list(self.active_channels.values()):
            channel.check()

    def handle_accept(self) -> None:
        """Take a connection, in place of the one that was silent longest when there are too many."""
        super().handle_accept()
        count = len(self.active_channels)
        if count > self._most:
            channels = [channel for channel in self.active_channels.values() if not channel.is_busy()]
            first = min(channels, key=lambda channel: channel.heard, default=None)
            if first and (time.monotonic() - first.heard > _NEW_S or count > self._most * 3 // 2):
                first.handle_close()

    def serve(self) -> None:
        """Serve until `stop` is called from another thread."""
        self._serving = True
        try:
            while not self._is_over():
                self._turn()
        finally:
            self._ended.set()

    def _turn(self) -> None:
        try:
            wait_s = _STOP_POLL_S if self.stopping else float(_CHECK_EVERY_S)
            wasyncore.loop(timeout=wait_s, use_poll=True, map=self._map, count=1)
        except Exception:  # a process that listens must answer
            _log.exception("the loop goes on")

    def start(self, name: str) -> None:
        """Serve in a thread of this name."""
        self._serving = True
        threading.Thread(target=self.serve, name=name, daemon=True).start()

    def stop(self, deadline_s: float) -> bool:
        """Take no more connections and wait for the requests under way; whether all of them ended in time."""
        self._stopped_at = time.monotonic()
        self._stop_at = self._stopped_at + deadline_s
        self.stopping = True
        self.pull_trigger()
        if self._serving:
            self._ended.wait()
        else:
            self._is_over()
        in_time = not self.active_channels
        for dispatcher in (self.task_dispatcher, self._probes):
            dispatcher.set_thread_count(0)
        if in_time:  # else a request may still want to tell the loop of its answer
            self.trigger.close()
        return in_time

    def _is_over(self) -> bool:
        if not self.stopping:
            return False
        if self.accepting:
            self.accepting = False
            self.del_channel()
            self.socket.close()
        for channel in list(self.active_channels.values()):
            # What has begun to come has a moment to be finished; the rest will not be answered.
            if not channel.is_busy() and (channel.request is None or self._stopping_s() > _NEW_S):
                channel.handle_close()
        return not self.active_channels or time.monotonic() > self._stop_at

    def _stopping_s(self) -> float:
        return time.monotonic() - self._stopped_at


def _threads(count: int) -> ThreadedTaskDispatcher:
    dispatcher = ThreadedTaskDispatcher()
    dispatcher.set_thread_count(count)
    return dispatcher


def _adjustments(host: str, port: int, limits: Limits) -> Adjustments:
    return Adjustments(
        host=host,
        port=port,
        ident=None,
        backlog=1024,
        connection_limit=_UNBOUNDED,  # waitress would take no more, and so no probe
        cleanup_interval=_CHECK_EVERY_S,
        max_request_header_size=limits.header_bytes,
        max_request_body_size=_UNBOUNDED,
        recv_bytes=1 << 16,
        # No files, since a pod's disk may be read-only, and no thread that waits for a reader: `held_bytes` is the limit.
        inbuf_overflow=_UNBOUNDED,
        outbuf_overflow=_UNBOUNDED,
        outbuf_high_watermark=_UNBOUNDED,
        clear_untrusted_proxy_headers=False,
    )


def serve_until_signalled(server: HttpServer) -> None:
    """Serve until SIGTERM or SIGINT; `HttpServer.stop` is the caller's to call then."""
    signalled = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: signalled.set())
    server.start("http")
    signalled.wait()
