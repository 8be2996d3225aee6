"""Nothing late: what could not be announced, or came while nobody listened, is announced within seconds of both being back.

Many stores try a notification only once. So what the broker did not take is kept in memory and handed over as soon as it can be;
and a process that starts sweeps once, since nobody may have listened before it did. Neither needs a database: what a process
that is killed had kept is found by the sweep of the next one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from cosmoformer import logs
from cosmoformer.errors import CosmoFormerError, PermanentError, SettingsError, TransientError
from cosmoformer.events.notifications import ObjectCreated
from cosmoformer.settings import Settings
from functions.ingest import metrics
from functions.ingest.announce import Broker
from functions.ingest.sweep import Sweeper
from functions.ingest.sweep_options import SweepOptions
from functions.runtime.store_gate import StoreGate

log = logging.getLogger(__name__)
#: Notifications that waited for this process come first; what they announce is not swept.
SETTLE_S = 4.0
#: The sweep at the start leaves images younger than this to their notifications: this process has listened for longer. The other
#: half of the time is for clocks that differ.
_HEARD_S = SETTLE_S / 2
_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 4.0
#: More than this many are not kept, about 1 kB each; a sweep finds them.
MOST_KEPT = 10_000


class CatchUp:
    """Announces images, and makes up for those that nobody heard of. Safe for threads."""

    def __init__(self, settings: Settings, gate: StoreGate, broker: Broker, sweeper: Sweeper) -> None:
        self._settings, self._gate, self._broker, self._sweeper = settings, gate, broker, sweeper
        self._missed: dict[str, ObjectCreated] = {}
        self._sweep_owed = settings.sweep_at_start_seconds > 0
        self._unswept: set[str] = set()  # the models whose part of a sweep failed, and is owed still
        self._changed, self._stopped = threading.Condition(), threading.Event()

    def start(self) -> None:
        """Sweep once, then wait for what the broker does not take, in a thread of its own."""
        threading.Thread(target=self._work, name="catch-up", daemon=True).start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def announce(self, images: Sequence[ObjectCreated]) -> None:
        """Hand the events of new images to the broker; what it does not take is tried again from here.

        Raises:
            BrokerUnavailable: it did not take them all. A store that keeps its notifications should send this one again: an
                event that comes twice does no harm, one that is kept in memory only may be lost.
        """
        for number, created in enumerate(images):
            logs.bind(key=created.key, event_id=created.id)
            try:
                self._broker.send(created.event())
            except CosmoFormerError:
                self._keep(images[number:])
                raise
            self._passed_on(created)  # also where it had been kept, and the store was faster

    def _passed_on(self, created: ObjectCreated) -> None:
        self._sweeper.heard(created.key)
        if self._missed.pop(created.id, None):
            metrics.MISSED.set(len(self._missed))

    def _keep(self, missed: Sequence[ObjectCreated]) -> None:
        with self._changed:
            for created in missed:
                if len(self._missed) < MOST_KEPT:
                    self._missed[created.id] = created
                else:
                    self._sweep_owed = True
            metrics.MISSED.set(len(self._missed))
            self._changed.notify_all()

    def _work(self) -> None:
        if not self._settle():
            return
        retry_s = _FIRST_RETRY_S
        while not self._stopped.is_set():
            try:
                self._hand_over()
                if self._sweep_owed or self._unswept:
                    self._sweep()
                retry_s = _FIRST_RETRY_S
                with self._changed:
                    self._changed.wait_for(lambda: self._missed or self._sweep_owed or self._stopped.is_set())
            except TransientError as error:
                log.info("could not catch up yet", extra={"problem": str(error)})
                retry_s = min(2 * retry_s, _LAST_RETRY_S)
            except Exception:  # whatever it was, it may pass, and this thread must go on
                log.exception("could not catch up")
                retry_s = _LAST_RETRY_S
            self._stopped.wait(retry_s)

    def _settle(self) -> bool:
        """Wait for the store and for the first notifications; False when there will never be anything to do."""
        while not self._stopped.wait(0.1):
            try:
                self._gate.check()
            except SettingsError:
                return False
            except CosmoFormerError:
                continue
            return not (self._sweep_owed and self._stopped.wait(SETTLE_S))
        return False

    def _hand_over(self) -> None:
        count = len(self._missed)
        for created in list(self._missed.values()):
            try:
                self._broker.send(created.event())
            except PermanentError as error:  # it must not keep the others waiting
                log.error("left to the sweep: %s", error, extra={"key": created.key})
            self._passed_on(created)
        if count:
            log.info("announced what the broker had not taken", extra={"images": count})

    def _sweep(self) -> None:
        bound = self._settings.sweep_at_start_seconds or None
        prefix = self._settings.images_prefix
        options = SweepOptions(prefix=prefix, min_age_s=_HEARD_S, periodic=True, within_s=bound)
        if self._sweep_owed:
            self._unswept = set(self._sweeper.models)
            self._sweep_owed = False  # before, as more may be missed meanwhile
        failed = self._sweeper.sweep_each(options, sorted(self._unswept))
        self._unswept = set(failed)
        for error in failed.values():
            raise error
