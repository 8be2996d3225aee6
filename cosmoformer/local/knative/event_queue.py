"""The broker's memory: events and who still has to get them, in one SQLite file that survives ``kill -9``.

One row per event, one per outstanding delivery; both are deleted when they are done. What is under way at the moment
is *not* recorded, so after a crash it is simply due again: delivery at least once.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from cosmoformer.events.cloudevents import Event
from cosmoformer.local.knative.sqlite_writer import Writer, connect

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

MOST_SET_ASIDE, MOST_SET_ASIDE_BYTES = 1000, 256 << 20
# Of what is set aside: all but the latest that are within both limits.
_TOO_MANY = """
SELECT id FROM (
    SELECT delivery.id AS id, ROW_NUMBER() OVER latest AS place, SUM(LENGTH(attributes) + LENGTH(data)) OVER latest AS bytes
    FROM delivery JOIN event ON event.id = delivery.event WHERE sink = 'set-aside'
    WINDOW latest AS (ORDER BY not_before DESC, delivery.id DESC ROWS UNBOUNDED PRECEDING)
) WHERE place > ? OR bytes > ?
"""


class Lane(NamedTuple):
    """A line of deliveries: those of a trigger to its subscriber, those to its dead-letter sink, or those that neither takes."""

    trigger: str
    sink: Literal["subscriber", "dead-letter", "set-aside"]


class Failure(NamedTuple):
    """Why an event became a dead letter: who refused it, with which status, and what they said, in base64."""

    destination: str
    code: int
    data: str

    def text(self) -> str:
        """What they said, as text."""
        return base64.b64decode(self.data).decode(errors="replace")


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


class SetAside(NamedTuple):
    """A delivery that is not tried any more: neither the subscriber nor the dead-letter sink will ever take it."""

    id: int
    trigger: str
    event: Event
    failure: Failure
    since: float


class Backlog(NamedTuple):
    """Deliveries in a lane, those under way included, and when the oldest event came (seconds since the epoch)."""

    deliveries: int
    oldest: float


class EventQueue:
    """Durable lanes of deliveries. Safe for threads; one process at a time."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "events.sqlite"
        self._writer = Writer(file, _SCHEMA)
        self._read_lock = threading.Lock()
        self._reader = connect(file, _SCHEMA)

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

    def set_aside(self, delivery: Delivery, failure: Failure) -> None:
        """Keep a dead letter that its sink will never take; of very many, the oldest are forgotten."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE delivery SET sink = 'set-aside', not_before = ?, failure = ? WHERE id = ?",
                (time.time(), json.dumps(failure), delivery.id),
            )
            for (number,) in connection.execute(_TOO_MANY, (MOST_SET_ASIDE, MOST_SET_ASIDE_BYTES)).fetchall():
                _delete(connection, number)

        self._writer.commit(work)

    def all_set_aside(self) -> list[SetAside]:
        """What is set aside, the latest first."""
        with self._read_lock:
            rows = self._reader.execute(
                "SELECT delivery.id, trigger_name, attributes, data, failure, not_before FROM delivery"
                " JOIN event ON event.id = delivery.event WHERE sink = 'set-aside' ORDER BY not_before DESC"
            ).fetchall()
        return [
            SetAside(number, trigger, Event(json.loads(attributes), data), Failure(*json.loads(failure)), since)
            for number, trigger, attributes, data, failure, since in rows
        ]

    def forget_set_aside(self, number: int) -> bool:
        """Delete a delivery that is set aside; whether there was one."""
        found: list[object] = []

        def work(connection: sqlite3.Connection) -> None:
            found.extend(connection.execute("SELECT 1 FROM delivery WHERE id = ? AND sink = 'set-aside'", (number,)))
            if found:
                _delete(connection, number)

        self._writer.commit(work)
        return bool(found)

    def make_due(self) -> None:
        """Let every delivery be tried now, with all its attempts before it, instead of when an earlier run meant to.

        What made them fail has most likely ended with that run; a subscriber that was stopped before the broker, for one.
        """
        self._writer.commit(
            lambda connection: connection.execute(
                "UPDATE delivery SET attempts = 0, not_before = ? WHERE sink != 'set-aside' AND attempts > 0",
                (time.time(),),
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
