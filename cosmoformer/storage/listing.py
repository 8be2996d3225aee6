"""Listings of a bucket, page by page, also where keys have characters that XML does not know.

Keys come percent-encoded, as boto3 asks for them. But Ceph repeats in its answer, which is XML, the prefix, where the listing
started and where it goes on, as they are: no parser takes that where XML has no such character, and botocore calls it an error
500 of the store. Nobody needs those repetitions, so such characters are replaced before the answer is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from cosmoformer.storage.keys import NOT_XML, fits_xml

_ENCODED = b"<EncodingType>url</EncodingType>"
_REFERENCE = re.compile(r"&#(?:x([0-9A-Fa-f]{1,6})|([0-9]{1,7}));")
_INSTEAD = "\N{REPLACEMENT CHARACTER}"


def entries(client: Any, bucket: str, prefix: str, after: str) -> Iterator[dict[str, Any]]:
    """Every object whose key starts with a prefix and comes after another key, in key order, as the store describes it.

    Args:
        client: one whose answers :func:`mend` reads first.
        bucket: the bucket.
        prefix: of the keys; may be empty.
        after: key before the first; may be empty.

    Raises:
        ClientError: the store does not list them.
    """
    start = {"StartAfter": after}
    while True:
        page = client.list_objects_v2(Bucket=bucket, Prefix=prefix, **start)
        found = page.get("Contents", [])
        yield from found
        if not page.get("IsTruncated"):
            return
        last = found[-1]["Key"] if found else ""
        start = {"ContinuationToken": page["NextContinuationToken"]} if fits_xml(last) else {"StartAfter": last}


def mend(response_dict: dict[str, Any], **_: Any) -> None:
    """Replace in an answer of a store what XML does not know; one whose keys are not encoded stays, since it would change them.

    A handler of botocore's event ``before-parse``.
    """
    body = response_dict["body"]
    if _ENCODED not in body:
        return
    text = _REFERENCE.sub(_known_reference, body.decode(errors="replace"))
    response_dict["body"] = NOT_XML.sub(_INSTEAD, text).encode()


def _known_reference(found: re.Match[str]) -> str:
    number = int(found[1], 16) if found[1] else int(found[2])
    return found[0] if number <= 0x10FFFF and fits_xml(chr(number)) else _INSTEAD
