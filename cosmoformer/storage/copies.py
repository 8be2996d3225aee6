"""Copies of results, many in one object, so that a table of a hundred thousand results takes seconds instead of minutes.

Reading a result by itself costs some milliseconds of processor time, by far the most of it for the request. A copy counts only
while the listing of results names the same key with the same eTag: the results themselves say what is so, and a copy that is
missing, stale or broken costs a request. None is made of a few results, since reading those from an object would save nothing.

An object stands under ``COPIES_PREFIX`` + the time, how many it holds, and a random number. It is gzip of lines in the order of
the results' keys (that of UTF-8 bytes), each with key, eTag and result as JSON, separated by tabs.
"""

from __future__ import annotations

import heapq
import json
import logging
import os
import re
import secrets
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import IO, Any

from cosmoformer import strict_json
from cosmoformer.parallel import map_stream
from cosmoformer.storage.store import ObjectInfo, Store

log = logging.getLogger(__name__)
#: Results that are worth an object.
FEWEST = 50
CONTENT_TYPE = "application/gzip"
_NAME = re.compile(r"\d{8}T\d{6}\d*Z-(?P<rows>\d{1,9})-[0-9a-f]{8}\.jsonl\.gz")
_GZIP = 31  # zlib's word for it
_FAST = 1  # of zlib's levels
_PIECE_BYTES = 4096  # of a compressed object, at a time: a few rows of each of many objects are in memory
_MOST_OBJECTS = 1000  # that are read side by side
_ROW_COST = 1 / 20  # of reading a copy that is not wished for, in requests
_FIRST = 500  # results; copies are not looked for before there are more


@dataclass(frozen=True)
class Copy:
    """A result as it was written.

    Attributes:
        key: of the result, in the results bucket.
        etag: of the object there.
        result: the result, as JSON on one line.
    """

    key: str
    etag: str
    result: bytes

    @property
    def place(self) -> bytes:
        """By which copies are ordered."""
        return self.key.encode()

    def document(self) -> Any:
        """The result; None where it is not JSON."""
        try:
            return strict_json.loads(self.result)
        except ValueError:
            return None


def copy_of(key: str, etag: str, result: Any) -> Copy:
    """The copy of a result that has just been written at a key."""
    return Copy(key, etag, json.dumps(result, allow_nan=False).encode())


def write(store: Store, prefix: str, copies: Collection[Copy]) -> None:
    """Keep some copies in an object of their own, at a key that starts with a prefix (``COPIES_PREFIX``)."""
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}-{len(copies)}-{secrets.token_hex(4)}.jsonl.gz"
    store.write(store.settings.results_bucket, f"{prefix}{name}", _packed(copies), CONTENT_TYPE)


def _packed(copies: Iterable[Copy]) -> bytes:
    lines = (
        b"\t".join((json.dumps(copy.key).encode(), copy.etag.encode(), copy.result))
        for copy in sorted(copies, key=lambda copy: copy.place)
    )
    packing = zlib.compressobj(_FAST, wbits=_GZIP)
    return packing.compress(b"\n".join(lines)) + packing.flush()


def with_copies(store: Store, prefix: str, results: Iterable[ObjectInfo]) -> Iterator[tuple[ObjectInfo, Any]]:
    """Each result of a listing in key order, with the document that stands there where a copy tells it, else None.

    Where copies would cost more than they save, there are none. They lie in a temporary file, compressed, until the end.

    Args:
        store: the object store.
        prefix: what the keys of the objects with copies start with (``COPIES_PREFIX``); empty for none.
        results: some of the results bucket.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    results = iter(results)
    first = _some(results, _FIRST)
    objects = heapq.nlargest(_MOST_OBJECTS, _objects(store, prefix)) if len(first) == _FIRST else []
    if objects:
        # Those of other prefixes are read in vain: that pays only for so many results.
        first += _some(results, int(sum(rows for rows, _ in objects) * _ROW_COST) - len(first))
    if not objects or (last := next(results, None)) is None:
        yield from ((entry, None) for entry in first)
        yield from ((entry, None) for entry in results)
        return
    with TemporaryFile() as file:
        copies = _merged(file, _fetched(store, [key for _, key in objects], file))
        yield from _joined(_chained(first, last, results), copies)


def _some(results: Iterator[ObjectInfo], count: int) -> list[ObjectInfo]:
    return [entry for _, entry in zip(range(count), results, strict=False)]


def _chained(first: list[ObjectInfo], then: ObjectInfo, rest: Iterator[ObjectInfo]) -> Iterator[ObjectInfo]:
    yield from first
    first.clear()
    yield then
    yield from rest


def _objects(store: Store, prefix: str) -> list[tuple[int, str]]:
    """Objects with copies: how many each holds, and its key."""
    listed = store.list(store.settings.results_bucket, prefix) if prefix else ()
    named = ((_NAME.fullmatch(entry.key.removeprefix(prefix)), entry.key) for entry in listed)
    return [(int(match["rows"]), key) for match, key in named if match]


def _fetched(store: Store, keys: Sequence[str], file: IO[bytes]) -> list[tuple[int, int]]:
    """Where each object lies in a file, to which they are written: its beginning and its end."""
    places = []
    for found in map_stream(lambda key: store.read(store.settings.results_bucket, key), keys):
        start = file.tell()
        file.write(found[0] if found else b"")
        places.append((start, file.tell()))
    file.flush()
    return places


def _merged(file: IO[bytes], places: Iterable[tuple[int, int]]) -> Iterator[Copy]:
    """The copies of all objects in a file, in the order of their keys."""
    return heapq.merge(*(_copies(file.fileno(), *place) for place in places), key=lambda copy: copy.place)


def _copies(file: int, start: int, end: int) -> Iterator[Copy]:
    """The copies in one object, up to whatever in it cannot be read."""
    unpacking, rest = zlib.decompressobj(_GZIP), b""
    try:
        for at in range(start, end, _PIECE_BYTES):
            piece = os.pread(file, min(_PIECE_BYTES, end - at), at)
            *lines, rest = (rest + unpacking.decompress(piece)).split(b"\n")
            yield from map(_copy, lines)
        if not unpacking.eof:
            raise ValueError("it was cut off")
        yield _copy(rest)
    except (ValueError, zlib.error) as error:
        log.warning("an object with copies of results is broken: its results are read one by one", exc_info=error)


def _copy(line: bytes) -> Copy:
    key, etag, result = line.split(b"\t", 2)
    return Copy(str(json.loads(key)), etag.decode(), result)


def _joined(results: Iterable[ObjectInfo], copies: Iterator[Copy]) -> Iterator[tuple[ObjectInfo, Any]]:
    copy = next(copies, None)
    for entry in results:
        place, found = entry.key.encode(), None
        while copy is not None and copy.place <= place:
            if found is None and (copy.key, copy.etag) == (entry.key, entry.etag):
                found = copy.document()
            copy = next(copies, None)
        yield entry, found


def forget(store: Store, prefix: str, keys: Collection[str]) -> None:
    """Delete the copies of some results, by their keys; those of others beside them stay."""
    gone = set(keys)
    for _, key in _objects(store, prefix):
        with TemporaryFile() as file:
            copies = list(_merged(file, _fetched(store, [key], file)))
        left = [copy for copy in copies if copy.key not in gone]
        if len(left) == len(copies):
            continue
        if len(left) >= FEWEST:
            write(store, prefix, left)
        store.delete(store.settings.results_bucket, key)
