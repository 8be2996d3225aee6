"""Where a version's artifact is, by the ``source`` that MLflow keeps of it."""

from __future__ import annotations

import re

from cosmoformer.errors import ModelRefused

ARTIFACT_NAME = "cosmoformer.pt"  # of the artifact, in the folder that a version's source names


def served_path(source: str) -> str:
    """The path below the server's artifact root of an artifact that the server itself stores and serves.

    Raises:
        ModelRefused: the source is anything but ``mlflow-artifacts:[//host]/path``.
    """
    match = re.fullmatch(r"mlflow-artifacts:(?://[^/]*)?/+(?P<path>.+)", source)
    if not match:
        scheme = source.partition(":")[0]
        raise ModelRefused(
            f"the artifact is at {source!r}, expected mlflow-artifacts:/…: {_ELSEWHERE.get(scheme, 'MLflow does not serve it')}",
            "Start MLflow with --serve-artifacts, and register the artifact through it",
        )
    return match["path"]


_ELSEWHERE = {
    "s3": "only who has that bucket's keys can read it",
    "file": "it lies on a disk of whoever registered it",
    "dbfs": "it lies in a workspace of Databricks",
}


def artifact_path(source: str) -> str:
    """The path of a version's artifact below the server's artifact root.

    A version's source is a folder, as MLflow has it, with :data:`ARTIFACT_NAME` in it. A source that ends in ``.pt`` is the
    artifact itself.

    Raises:
        ModelRefused: as :func:`served_path`.
    """
    path = served_path(source)
    return path if path.endswith(".pt") else f"{path.rstrip('/')}/{ARTIFACT_NAME}"
