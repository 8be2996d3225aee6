"""How the classify function is served: one process, which predicts as many images at once as it has CPUs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from functions.runtime.process_clock import CLOCK
from functions.runtime.start import classify_threads, read_settings, stop_background

if TYPE_CHECKING:
    from gunicorn.workers.base import Worker

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8080')}"
workers = 1  # a second worker would hold a second model; replicas are Knative's business
worker_class = "functions.runtime.gunicorn_worker.PromptThreadWorker"
threads = classify_threads(read_settings())
timeout = 120  # s without a sign of life from the worker's main loop; a stuck image is noticed by the liveness probe
graceful_timeout = 20  # s to finish what was accepted after SIGTERM
keepalive = 75  # s; longer than the activator keeps idle connections
# A slow disk must not look like a hung worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None
accesslog = None
loglevel = "warning"


def post_fork(_server: object, worker: Worker) -> None:
    """A worker in place of one that ended starts now, the first one with the server."""
    if worker.age > 1:
        CLOCK.begin_again()


def worker_exit(_server: object, worker: Worker) -> None:
    """End what works in the background; a worker that could not start has nothing."""
    stop_background(getattr(worker, "wsgi", None))
