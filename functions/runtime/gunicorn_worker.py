"""The gunicorn worker of both functions: threads, and an end that does not wait for idle connections."""

from __future__ import annotations

from gunicorn.workers.gthread import ThreadWorker


class PromptThreadWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships without types
    """A ``gthread`` worker that, told to end, finishes the requests under way and closes idle connections.

    Plain ``gthread`` waits for the latter too, for all of ``graceful_timeout``: senders keep connections open for minutes, so
    every scale-down would last that long.
    """

    def murder_keepalived(self) -> None:
        """Close idle connections that are over their time; once the worker is to end, all of them are."""
        if not self.alive:
            for connection in (*self.keepalived_conns, *self.pending_conns):
                connection.timeout = 0
        super().murder_keepalived()
