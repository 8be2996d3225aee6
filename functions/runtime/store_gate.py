"""Whether a fresh process may become ready: not before its settings are complete and the store has answered once.

A store that goes away later changes nothing here: requests are then answered 503 and tried again, and a pod that is taken out
of service for it would help nobody.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from cosmoformer.addresses import is_address
from cosmoformer.errors import CosmoFormerError, SettingsError, StoreUnavailable
from cosmoformer.settings import Settings
from cosmoformer.storage.store import Store

log = logging.getLogger(__name__)
_NEEDED = ("s3_endpoint_url", "images_bucket", "results_bucket")
_ADDRESSES = ("s3_endpoint_url", "s3_public_endpoint_url", "k_sink", "mlflow_tracking_uri")
_FIRST_RETRY_S, _LAST_RETRY_S = 0.5, 15.0


class StoreGate:
    """Asks the store until it answers.

    Args:
        settings: names the buckets.
        store: what is asked.
        needed: names, in lower case, of settings without which this function cannot work, beside those of the store.
    """

    def __init__(self, settings: Settings, store: Store, needed: Sequence[str]) -> None:
        self._buckets = dict.fromkeys((settings.images_bucket, settings.results_bucket))
        self._store = store
        needed = (*_NEEDED, *needed)
        self._missing = [name.upper() for name in needed if not getattr(settings, name)]
        addresses = [name for name in (*needed, "s3_public_endpoint_url") if name in _ADDRESSES]
        given = [(name, getattr(settings, name)) for name in addresses if getattr(settings, name)]
        self._misspelt = [f"{name.upper()} is {url!r}" for name, url in given if not is_address(url)]
        self._problem: CosmoFormerError | None = StoreUnavailable("the store has not answered yet")
        self._stopped = threading.Event()

    def start(self) -> None:
        """Ask the store, in a thread of its own."""
        threading.Thread(target=self._follow, name="store-gate", daemon=True).start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()

    def check(self) -> None:
        """Nothing, once the store has answered.

        Raises:
            SettingsError: settings are missing.
            StoreUnavailable: the store has not answered, or refuses.
        """
        if self._problem is not None:
            raise self._problem.with_traceback(None)  # else it would grow with every request

    def refresh(self) -> None:
        """Ask the store now, and log what is newly wrong."""
        try:
            if self._missing:
                raise SettingsError(f"settings are missing: {', '.join(self._missing)}", "Set them and start again")
            if self._misspelt:
                raise SettingsError(
                    f"no addresses: {', '.join(self._misspelt)}", "Expected http://HOST:PORT or https://HOST"
                )
            for bucket in self._buckets:
                self._store.reach(bucket)
            self._problem = None
        except CosmoFormerError as error:
            if str(error) != str(self._problem):  # one line for each thing that is wrong, not one for each attempt
                log.warning("not ready", extra={"problem": str(error)})
            self._problem = error

    def _follow(self) -> None:
        self.refresh()
        retry = _FIRST_RETRY_S
        while self._problem is not None and not (self._missing or self._misspelt) and not self._stopped.wait(retry):
            self.refresh()
            retry = min(2 * retry, _LAST_RETRY_S)
