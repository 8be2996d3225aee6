"""How the ingest function is served: one process of many threads, which mostly wait for the broker."""

import os
from pathlib import Path

from functions.runtime.start import INGEST_THREADS

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8080')}"
workers = 1  # so that one sweep runs at a time, and metrics are whole; replicas are Knative's business
worker_class = "functions.runtime.gunicorn_worker.PromptThreadWorker"
threads = INGEST_THREADS
timeout = 120  # s without a sign of life from the worker; a long sweep gives signs
graceful_timeout = 20  # s to finish what was accepted after SIGTERM
keepalive = 75  # s; a store that keeps its connection saves a handshake inside every upload
# A slow disk must not look like a hung worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None
accesslog = None
loglevel = "warning"
