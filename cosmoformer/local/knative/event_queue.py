"""The broker's memory: events and who still has to get them, in one SQLite file that survives ``kill -9``.

One row per event, one per outstanding delivery; both are deleted when they are done. What is under way at the moment
is *not* recorded, so after a crash it is simply due again: delivery at least once.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Literal, NamedTuple

from cosmoformer.events.cloudevents import Event

_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY, attributes TEXT NOT NULL, data BLOB NOT NULL, hops INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS delivery (
    id INTEGER PRIMARY KEY, event INTEGER NOT NULL REFERENCES event, trigger_name TEXT NOT NULL, sink TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, accepted REAL NOT NULL, not_before REAL NOT NULL, failure TEXT
);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (trigger_name, sink, not_before, id);
CREATE INDEX IF NOT EXISTS delivery_event ON delivery (event);
"""


class Lane(NamedTuple):
    """A line of deliveries: those of a trigger to its subscriber, or those to its dead-letter sink."""

    trigger: str
    sink: Literal["subscriber", "dead-letter"]


class Failure(NamedTuple):
    """Why an event became a dead letter: who refused it, with which status, and what they said."""

    destination: str
    code: int
    data: str


@dataclass(frozen=True)
class Routed:
    """An event and the lanes it goes to; ``hops`` counts the replies that led to it."""

    event: Event
    lanes: Sequence[Lane]
    hops: int = 0
    failure: Failure | None = None


@dataclass(frozen=True)
class Delivery:
    """One outstanding delivery; ``attempts`` were made before and failed."""

    id: int
    event: Event
    hops: int
    attempts: int
    failure: Failure | None


class Backlog(NamedTuple):
    """Deliveries in a lane, those under way included, and when the oldest event came (seconds since the epoch)."""

    deliveries: int
    oldest: float


class EventQueue:
    """Durable lanes of deliveries. Safe for threads; one process at a time."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "events.sqlite"
        self._writer = _Writer(file)
        self._read_lock = threading.Lock()
        self._reader = _connect(file)

    def put(self, routed: Routed) -> None:
        """Store an event; it is on disk when this returns.

        Raises:
            sqlite3.Error: it could not be stored, for instance because the disk is full.
        """
        if routed.lanes:
            self._writer.commit(lambda connection: _insert(connection, routed))

    def finish(self, delivery: Delivery, reply: Routed | None = None) -> None:
        """Forget a delivery and store the reply to it, both or neither."""

        def work(connection: sqlite3.Connection) -> None:
            if reply is not None and reply.lanes:
                _insert(connection, reply)
            _delete(connection, delivery.id)

        self._writer.commit(work)

    def postpone(self, delivery: Delivery, wait_s: float) -> None:
        """Count a failed attempt; the next one is due in ``wait_s`` seconds."""
        self._writer.commit(
            lambda connection: connection.execute(
                "UPDATE delivery SET attempts = attempts + 1, not_before = ? WHERE id = ?",
                (time.time() + wait_s, delivery.id),
            )
        )

    def move_to_dead_letters(self, delivery: Delivery, failure: Failure) -> None:
        """Give up on the subscriber: the delivery now goes to the trigger's dead-letter sink."""
        self._writer.commit(
            lambda connection: connection.execute(
                "UPDATE delivery SET sink = 'dead-letter', attempts = 0, not_before = ?, failure = ? WHERE id = ?",
                (time.time(), json.dumps(failure), delivery.id),
            )
        )

    def due(self, lane: Lane, under_way: Collection[int]) -> Delivery | float | None:
        """The next delivery of a lane that is not under way.

        Returns:
            The delivery if it is due, else the seconds until it is, else None if the lane is empty.
        """
        with self._read_lock:
            rows = self._reader.execute(
                "SELECT id, not_before FROM delivery WHERE trigger_name = ? AND sink = ?"
                " ORDER BY not_before, id LIMIT ?",
                (*lane, len(under_way) + 1),
            ).fetchall()
            waiting = [row for row in rows if row[0] not in under_way]
            if not waiting:
                return None
            number, not_before = waiting[0]
            wait_s = not_before - time.time()
            return float(wait_s) if wait_s > 0 else self._load(number)

    def backlog(self) -> Mapping[Lane, Backlog]:
        """What is outstanding, also for triggers that are no longer configured."""
        with self._read_lock:
            rows = self._reader.execute(
                "SELECT trigger_name, sink, COUNT(*), MIN(accepted) FROM delivery GROUP BY trigger_name, sink"
            ).fetchall()
        return {Lane(trigger, sink): Backlog(count, oldest) for trigger, sink, count, oldest in rows}

    def close(self) -> None:
        """Commit what was handed in and close the file."""
        self._writer.close()
        with self._read_lock:
            self._reader.close()

    def _load(self, number: int) -> Delivery:
        attributes, data, hops, attempts, failure = self._reader.execute(
            "SELECT attributes, data, hops, attempts, failure FROM delivery JOIN event ON event.id = delivery.event"
            " WHERE delivery.id = ?",
            (number,),
        ).fetchone()
        event = Event(json.loads(attributes), data)
        return Delivery(number, event, hops, attempts, Failure(*json.loads(failure)) if failure else None)


_Work = Callable[[sqlite3.Connection], object]
_Job = tuple[_Work, Future[None]]


class _Writer:
    """One thread that writes, and commits what several callers ask for together: they share one fsync."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        _connect(file).close()  # the schema is there, and a broken file is reported to the caller
        self._thread = threading.Thread(target=self._run, name="event-queue-writer", daemon=True)
        self._thread.start()

    def commit(self, work: _Work) -> None:
        done: Future[None] = Future()
        self._jobs.put((work, done))
        done.result()

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        connection = _connect(self._file)
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


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, check_same_thread=False, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # in WAL mode the default, NORMAL, may lose commits with the power
    connection.executescript(_SCHEMA)
    return connection


def _insert(connection: sqlite3.Connection, routed: Routed) -> None:
    now = time.time()
    attributes = json.dumps(dict(routed.event.attributes), ensure_ascii=False)
    failure = json.dumps(routed.failure) if routed.failure else None
    row = connection.execute(
        "INSERT INTO event (attributes, data, hops) VALUES (?, ?, ?)", (attributes, routed.event.data, routed.hops)
    ).lastrowid
    connection.executemany(
        "INSERT INTO delivery (event, trigger_name, sink, accepted, not_before, failure) VALUES (?, ?, ?, ?, ?, ?)",
        [(row, *lane, now, now, failure) for lane in routed.lanes],
    )


def _delete(connection: sqlite3.Connection, delivery: int) -> None:
    (event,) = connection.execute("SELECT event FROM delivery WHERE id = ?", (delivery,)).fetchone()
    connection.execute("DELETE FROM delivery WHERE id = ?", (delivery,))
    connection.execute(
        "DELETE FROM event WHERE id = ? AND NOT EXISTS (SELECT 1 FROM delivery WHERE event = ?)", (event, event)
    )
