"""What both functions do at the start of their process, under our own server and under Knative's middleware alike."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cosmoformer import logs, settings
from cosmoformer.cpus import cpu_limit
from cosmoformer.errors import SettingsError
from cosmoformer.settings import Settings

if TYPE_CHECKING:
    from flask import Flask

log = logging.getLogger(__name__)
#: Path of the probe that tells whether requests may come.
READINESS = "/health/readiness"
#: Where an application keeps what works in threads of its own, to be stopped with it (``Flask.extensions``).
BACKGROUND = "cosmoformer.background"
#: Whether an application listens on loopback, where nobody but this machine asks it (``Flask.config``).
OWN_MACHINE = "COSMOFORMER_OWN_MACHINE"
#: The ingest function's requests at once; most wait for the broker.
INGEST_THREADS = 16


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings, with logs set up as they say.

    Args:
        environment: variables to read instead of the process's own.

    Raises:
        SystemExit: a setting of the functions is malformed, which one log line has told.
    """
    try:
        found = settings.load(environment, judge=settings.FUNCTIONS)
    except SettingsError as error:
        logs.configure()
        log.critical("cannot start", extra={"problem": str(error)})
        sys.exit(1)
    logs.configure(found.log_level)
    return found


def stop_background(app: Flask | None) -> None:
    """End what an application keeps going in threads of its own."""
    for part in app.extensions[BACKGROUND] if app else ():
        part.stop()


def classify_threads(settings: Settings) -> int:
    """The classify function's requests at once.

    Each request that waits for the model holds a thread; the others fetch, record, and answer health and metrics.
    """
    return int(settings.prediction_queue) + predictions_at_once(settings) + 5


def predictions_at_once(settings: Settings) -> int:
    """Images that one process of the classify function decodes and predicts at once."""
    return int(settings.predictions_at_once) or max(1, cpu_limit() // torch_threads(settings))


def torch_threads(settings: Settings) -> int:
    """Threads of one prediction."""
    return int(settings.torch_threads) or cpu_limit()
