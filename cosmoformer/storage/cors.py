"""Which pages of other origins may use the buckets: the rules that a browser asks for before a presigned PUT or GET."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def bucket_cors(origins: Sequence[str]) -> dict[str, Any]:
    """The ``CORSConfiguration`` for ``put_bucket_cors``, for the images bucket and the results bucket alike.

    A presigned PUT names its ``Content-Type``, so browsers send a preflight, unsigned. Ceph RGW puts these headers on
    "no such key" answers too, but not on refused signatures: to a page those look like a lost connection.

    Args:
        origins: of the pages, such as ``http://127.0.0.1:8080``, without a path; ``PAGE_ORIGINS``.
    """
    rule = {
        "AllowedOrigins": list(origins),
        "AllowedMethods": ["PUT", "GET", "HEAD"],
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 3600,
    }
    return {"CORSRules": [rule]}
