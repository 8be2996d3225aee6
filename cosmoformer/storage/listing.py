"""Listings of a bucket, page by page, also where keys have characters that no listing can repeat.

A store repeats in its answer, which is XML, where the listing started and where it goes on, and Ceph answers 500 where XML has no
such character. So behind such a key a listing starts before that character, and what comes up to the key is left out; and a page
that fails is asked for again in another size, to end at another key.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from cosmoformer.storage.keys import listable_start

_SIZES = (1000, 999, 900, 100)  # keys of a page; few, since a store may answer 500 for other reasons


def entries(client: Any, bucket: str, prefix: str, after: str) -> Iterator[dict[str, Any]]:
    """Every object whose key starts with a prefix and comes after another key, in key order, as the store describes it.

    Raises:
        ClientError: the store does not list them.
    """
    place, start = {"Bucket": bucket, "Prefix": prefix}, {"StartAfter": listable_start(after)}
    done = after.encode()
    while True:
        page = _page(client, place | start)
        for entry in page.get("Contents", []):
            if entry["Key"].encode() > done:
                yield entry
        if not page.get("IsTruncated"):
            return
        start = {"ContinuationToken": page["NextContinuationToken"]}


def _page(client: Any, where: dict[str, str]) -> dict[str, Any]:
    *sizes, last = _SIZES
    for size in sizes:
        try:
            return dict(client.list_objects_v2(**where, MaxKeys=size))
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 500:
                raise
    return dict(client.list_objects_v2(**where, MaxKeys=last))
