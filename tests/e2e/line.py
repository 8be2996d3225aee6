"""The line between a browser and a server, which a test can cut and mend."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

_PIECE = 65536  # bytes taken from a socket at a time


class Line:
    """Passes every TCP connection to an address of its own on to a server.

    Args:
        url: address of the server.
        delay_s: how long each piece from the client is held up, for uploads that take their time.
    """

    def __init__(self, url: str, delay_s: float = 0) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.delay_s = delay_s
        self._port = 0
        self._connections = ExitStack()
        self.mend()

    @property
    def url(self) -> str:
        """Address of the near end."""
        return f"http://127.0.0.1:{self._port}"

    def mend(self) -> None:
        """Take connections, again at the same port after a cut."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Break every connection and refuse new ones."""
        # Without shutdown, the thread that waits in accept would take one more.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._connections.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._server)
            for one in (near, far):
                self._connections.callback(_end, one)
            threading.Thread(target=self._pass, args=(near, far), daemon=True).start()

    def _pass(self, near: socket.socket, far: socket.socket) -> None:
        with near, far, selectors.DefaultSelector() as selector, suppress(OSError, ValueError):
            selector.register(near, selectors.EVENT_READ, far)
            selector.register(far, selectors.EVENT_READ, near)
            while True:
                for key, _ in selector.select():
                    piece = key.fileobj.recv(_PIECE)  # type: ignore[union-attr]
                    if not piece:
                        return
                    if key.fileobj is near and self.delay_s:
                        threading.Event().wait(self.delay_s)
                    key.data.sendall(piece)


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
