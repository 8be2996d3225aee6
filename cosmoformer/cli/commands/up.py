"""``cosmoformer up``: everything on one machine."""

from __future__ import annotations

import os
from importlib.util import find_spec

import click

from cosmoformer.errors import PermanentError

# Modules of the extra `local`; most are needed only in the processes that are started, where nobody would see them missing.
_NEEDED = ("rich", "flask", "waitress", "prometheus_client", "mlflow", "torch", "numpy", "PIL")


@click.command(
    epilog="""\b
Examples:
  cosmoformer up
  S3_ENDPOINT_URL=https://store.example cosmoformer up
"""
)
def command() -> None:
    """Run store, registry, broker, functions and page on this machine, until Ctrl-C.

    Everything listens on 127.0.0.1 and is kept in DATA_DIR. The other commands find it there; see `cosmoformer settings`
    for ports and folders.
    """
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise PermanentError(f"packages are missing: {', '.join(missing)}", "pip install 'cosmoformer[local]'")
    from cosmoformer.local.up import run

    run(dict(os.environ))  # what an earlier run wrote down must not look like what is asked for now
