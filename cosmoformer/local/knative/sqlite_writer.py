"""A SQLite file that one thread writes, so that callers share commits."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue

_Work = Callable[[sqlite3.Connection], object]
_Job = tuple[_Work, Future[None]]


class Writer:
    """One thread that writes, and commits what several callers ask for together: they share one fsync."""

    def __init__(self, file: Path, schema: str) -> None:
        self._file, self._schema = file, schema
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        connect(file, schema).close()  # the schema is there, and a broken file is reported to the caller
        self._thread = threading.Thread(target=self._run, name="event-queue-writer", daemon=True)
        self._thread.start()

    def commit(self, work: _Work) -> None:
        """Do some work in a transaction; it is on disk when this returns.

        Raises:
            sqlite3.Error: it failed, and so did what was asked for together with it.
        """
        done: Future[None] = Future()
        self._jobs.put((work, done))
        done.result()

    def close(self) -> None:
        """Commit what was handed in and end."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        connection = connect(self._file, self._schema)
        closed = False
        while not closed:
            jobs = [self._jobs.get()]
            while not self._jobs.empty():
                jobs.append(self._jobs.get())
            closed = None in jobs
            self._commit_all(connection, [job for job in jobs if job is not None])
        connection.close()

    @staticmethod
    def _commit_all(connection: sqlite3.Connection, jobs: Sequence[_Job]) -> None:
        try:
            with connection:
                for work, _ in jobs:
                    work(connection)
        except sqlite3.Error as error:
            for _, done in jobs:
                done.set_exception(error)
        else:
            for _, done in jobs:
                done.set_result(None)


def connect(file: Path, schema: str) -> sqlite3.Connection:
    """Open a database that keeps what was committed through a power cut, and make the tables of a schema that are missing."""
    connection = sqlite3.connect(file, check_same_thread=False, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # in WAL mode the default, NORMAL, may lose commits with the power
    connection.executescript(schema)
    return connection
