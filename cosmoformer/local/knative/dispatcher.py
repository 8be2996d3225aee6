"""The broker's engine: routes events to triggers and carries their deliveries to an end."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import urllib3

from cosmoformer.errors import BrokerUnavailable
from cosmoformer.events.cloudevents import Event
from cosmoformer.local.knative.delivery import Outcome, Verdict, as_dead_letter, attempt, attempt_dead_letter
from cosmoformer.local.knative.event_queue import Backlog, Delivery, EventQueue, Failure, Lane, Routed
from cosmoformer.local.knative.triggers import Trigger

_log = logging.getLogger(__name__)

# A dead-letter sink that is down is tried for ever, at most this far apart; one that refuses a letter for good, once.
DEAD_LETTER_BACKOFF_CAP_S = 15.0
LOOP_DETECTED = 508  # RFC 5842
_AFTER_BREAKDOWN_S = 1.0
_LOGGED = 200  # characters of what a stranger may have made very long


@dataclass
class TriggerCounts:
    """What became of a trigger's deliveries since the broker started."""

    delivered: int = 0
    dead_lettered: int = 0
    dropped: int = 0


class Dispatcher:
    """Accepts events into the queue and delivers them with a few threads per trigger.

    Args:
        queue: where deliveries are kept.
        triggers: the subscriptions.
        hop_limit: how many replies may follow from one event before the chain is taken for a loop.
    """

    def __init__(self, queue: EventQueue, triggers: Sequence[Trigger], hop_limit: int) -> None:
        self._queue = queue
        self._triggers = triggers
        self._hop_limit = hop_limit
        self._counts = {trigger.name: TriggerCounts() for trigger in triggers}
        threads = sum(trigger.parallelism + 1 for trigger in triggers)
        self._pool = urllib3.PoolManager(num_pools=2 * len(triggers) + 1, maxsize=max(threads, 1))
        self._lanes = {lane.lane: lane for trigger in triggers for lane in self._lanes_of(trigger)}
        for lane in queue.backlog().keys() - self._lanes.keys():
            if lane.sink != "set-aside":
                _log.warning("trigger %r has undelivered events but is not configured; they are kept", lane.trigger)

    def start(self) -> None:
        """Begin to deliver, first of all what an earlier run left behind."""
        self._queue.make_due()
        for lane in self._lanes.values():
            lane.start()

    def accept(self, event: Event) -> None:
        """Store an event for every trigger that wants it.

        Raises:
            BrokerUnavailable: it could not be stored.
        """
        routed = self._route(event, hops=0)
        try:
            self._queue.put(routed)
        except sqlite3.Error as error:
            raise BrokerUnavailable(f"the event could not be stored: {error}", "Look for a full disk") from error
        self._wake(routed.lanes)

    def stop(self, deadline_s: float) -> bool:
        """Begin no more deliveries and wait for those under way; whether all of them ended in time."""
        deadline = time.monotonic() + deadline_s
        for lane in self._lanes.values():
            lane.close()
        in_time = [lane.join(deadline) for lane in self._lanes.values()]
        return all(in_time)

    def snapshot(self) -> list[dict[str, object]]:
        """The state of every trigger, for people and tests."""
        backlog = self._queue.backlog()
        return [self._describe(trigger, backlog.get) for trigger in self._triggers]

    def _describe(self, trigger: Trigger, backlog: Callable[[Lane], Backlog | None]) -> dict[str, object]:
        now = time.time()
        live = backlog(Lane(trigger.name, "subscriber")) or Backlog(0, now)
        dead = backlog(Lane(trigger.name, "dead-letter")) or Backlog(0, now)
        aside = backlog(Lane(trigger.name, "set-aside")) or Backlog(0, now)
        in_flight = len(self._lanes[Lane(trigger.name, "subscriber")].under_way)
        return {
            "name": trigger.name,
            "subscriber": trigger.subscriber,
            "waiting": max(live.deliveries - in_flight, 0),
            "in_flight": in_flight,
            "oldest_age_s": round(max(now - min(live.oldest, dead.oldest), 0.0), 3),
            "dead_letters_waiting": dead.deliveries,
            "set_aside": aside.deliveries,
            **vars(self._counts[trigger.name]),
        }

    def _lanes_of(self, trigger: Trigger) -> list[_LaneWorkers]:
        live, dead = Lane(trigger.name, "subscriber"), Lane(trigger.name, "dead-letter")
        lanes = [_LaneWorkers(live, self._queue, partial(self._deliver, trigger), trigger.parallelism)]
        if url := trigger.delivery.dead_letter_url:
            lanes.append(_LaneWorkers(dead, self._queue, partial(self._bury, trigger, url), threads=1))
        return lanes

    def _route(self, event: Event, hops: int) -> Routed:
        lanes = [Lane(trigger.name, "subscriber") for trigger in self._triggers if trigger.wants(event)]
        return Routed(event, lanes, hops)

    def _wake(self, lanes: Sequence[Lane]) -> None:
        for lane in lanes:
            self._lanes[lane].wake()

    def _deliver(self, trigger: Trigger, delivery: Delivery) -> None:
        outcome = attempt(self._pool, trigger.subscriber, delivery.event, trigger.delivery.timeout_s)
        if outcome.verdict is Verdict.DONE:
            reply = self._route_reply(trigger, delivery, outcome.reply) if outcome.reply else None
            self._queue.finish(delivery, reply)
            self._counts[trigger.name].delivered += 1
            self._wake(reply.lanes if reply else ())
        elif outcome.verdict is Verdict.RETRY and delivery.attempts < trigger.delivery.retry:
            wait_s = trigger.delivery.wait_s(delivery.attempts + 1, outcome.retry_after_s)
            _report(logging.INFO, "delivery failed, is tried again", trigger, delivery, outcome, wait_s=wait_s)
            self._queue.postpone(delivery, wait_s)
        else:
            self._give_up(trigger, delivery, outcome)

    def _route_reply(self, trigger: Trigger, delivery: Delivery, reply: Event) -> Routed:
        """A reply goes the way of any event, unless too many led to it: then it is a dead letter."""
        if delivery.hops < self._hop_limit:
            return self._route(reply, delivery.hops + 1)
        words = f"{self._hop_limit} replies followed one another: the triggers make a loop"
        outcome = Outcome(Verdict.REFUSED, LOOP_DETECTED, words.encode())
        _report(logging.ERROR, words, trigger, delivery, outcome)
        if trigger.delivery.dead_letter_url:
            failure = outcome.failure(trigger.subscriber)
            return Routed(reply, [Lane(trigger.name, "dead-letter")], delivery.hops + 1, failure)
        self._counts[trigger.name].dropped += 1
        return Routed(reply, [], delivery.hops + 1)

    def _give_up(self, trigger: Trigger, delivery: Delivery, outcome: Outcome) -> None:
        _report(logging.ERROR, "delivery given up", trigger, delivery, outcome)
        if trigger.delivery.dead_letter_url:
            self._queue.move_to_dead_letters(delivery, outcome.failure(trigger.subscriber))
            self._wake([Lane(trigger.name, "dead-letter")])
        else:  # as Knative does
            self._queue.finish(delivery)
            self._counts[trigger.name].dropped += 1

    def _bury(self, trigger: Trigger, url: str, delivery: Delivery) -> None:
        failure = delivery.failure or Failure(trigger.subscriber, 0, "")
        event = as_dead_letter(delivery.event, failure)
        outcome = attempt_dead_letter(self._pool, url, event, trigger.delivery.timeout_s)
        if outcome.verdict is Verdict.DONE:
            self._queue.finish(delivery)
            self._counts[trigger.name].dead_lettered += 1
            return
        if outcome.verdict is Verdict.REFUSED:
            _report(logging.ERROR, "the dead-letter sink will never take this letter", trigger, delivery, outcome)
            self._queue.set_aside(delivery, outcome.failure(url))
            return
        wait_s = trigger.delivery.wait_s(delivery.attempts + 1, outcome.retry_after_s)
        wait_s = min(wait_s, DEAD_LETTER_BACKOFF_CAP_S)
        _report(logging.WARNING, "dead-letter sink failed, is tried again", trigger, delivery, outcome, wait_s=wait_s)
        self._queue.postpone(delivery, wait_s)


class _LaneWorkers:
    """The threads of one lane: they take what is due, oldest first, and sleep until more is."""

    def __init__(self, lane: Lane, queue: EventQueue, work: Callable[[Delivery], None], threads: int) -> None:
        self.lane = lane
        self.under_way: set[int] = set()
        self._queue = queue
        self._work = work
        self._changed = threading.Condition()
        self._closed = False
        name = f"{lane.trigger}-{lane.sink}"
        self._threads = [threading.Thread(target=self._run, name=name, daemon=True) for _ in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def join(self, deadline: float) -> bool:
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        while not self._closed:
            try:
                self._carry_one()
            except Exception:  # whatever it was, the event is still in the queue, and the lane must not stand still
                _log.exception("a delivery to the %s of trigger %r broke down", self.lane.sink, self.lane.trigger)
                time.sleep(_AFTER_BREAKDOWN_S)

    def _carry_one(self) -> None:
        delivery = self._take()
        if delivery is None:
            return
        try:
            self._work(delivery)
        finally:
            with self._changed:
                self.under_way.discard(delivery.id)

    def _take(self) -> Delivery | None:
        """The next due delivery, marked as under way; None once the lane is closed."""
        with self._changed:
            while not self._closed:
                found = self._queue.due(self.lane, self.under_way)
                if isinstance(found, Delivery):
                    self.under_way.add(found.id)
                    return found
                self._changed.wait(found)
        return None


def _report(level: int, message: str, trigger: Trigger, delivery: Delivery, outcome: Outcome, **fields: object) -> None:
    words = outcome.body[:200].decode(errors="replace")
    event = delivery.event
    about = {"trigger": trigger.name, "event_id": event.id[:_LOGGED], "event_source": event.source[:_LOGGED]}
    _log.log(level, message, extra={**about, "status": outcome.code, "answer": words, **fields})
