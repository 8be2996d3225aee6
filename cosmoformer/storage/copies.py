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
import math
import os
import re
import secrets
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from tempfile import TemporaryFile
from typing import Any

from cosmoformer import strict_json
from cosmoformer.errors import StoreRefused, StoreUnavailable
from cosmoformer.parallel import map_stream
from cosmoformer.storage.store import ObjectInfo, Store

log = logging.getLogger(__name__)
#: Results that are worth an object, and how many one holds at most.
MIN_ROWS, MAX_ROWS = 50, 2000
CONTENT_TYPE = "application/gzip"
_NAME = re.compile(r"\d{8}T\d{6}\d*Z-(?P<rows>\d{1,9})-[0-9a-f]{8}\.jsonl\.gz")
_GZIP = 31  # zlib's word for it
_FAST = 1  # of zlib's levels
_CHUNK_BYTES = 4096  # of a compressed object, at a time: some rows of each of many objects are in memory
_MAX_OBJECTS = 1000  # that are read side by side
_ROW_COST = 1 / 20  # of reading a copy that is not wished for, in requests
_MIN_RESULTS, _MAX_AHEAD = 500, 50_000  # that are listed before copies are looked for


@dataclass(frozen=True)
class Copy:
    """A result as it was written.

    Attributes:
        key: of the result, in the results bucket, as UTF-8, by which copies are sorted.
        etag: of the object there.
        result: the result, as JSON on one line.
    """

    key: bytes
    etag: str
    result: bytes

    def document(self) -> Any:
        """The result; None where it is not JSON."""
        try:
            return strict_json.loads(self.result)
        except ValueError:
            return None


@dataclass(frozen=True)
class _Object:
    """An object with copies: its key, and how many it should hold."""

    key: str
    rows: int


def copy_of(key: str, etag: str, result: Any) -> Copy:
    """The copy of a result that has just been written at a key."""
    return Copy(key.encode(), etag, json.dumps(result, allow_nan=False).encode())


def write(store: Store, prefix: str, copies: Collection[Copy]) -> str:
    """Keep some copies in an object of their own, whose key starts with a prefix (``COPIES_PREFIX``).

    Returns:
        The object's key.
    """
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}-{len(copies)}-{secrets.token_hex(4)}.jsonl.gz"
    store.write(store.settings.results_bucket, f"{prefix}{name}", _packed(copies), CONTENT_TYPE)
    return f"{prefix}{name}"


def _packed(copies: Iterable[Copy]) -> bytes:
    lines = (
        b"\t".join((json.dumps(copy.key.decode()).encode(), copy.etag.encode(), copy.result))
        for copy in sorted(copies, key=lambda copy: copy.key)
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
        StoreUnavailable: the results cannot be listed.
    """
    results = iter(results)
    first = list(islice(results, _MIN_RESULTS))
    objects: list[_Object] = []
    if len(first) == _MIN_RESULTS:
        with _warned():
            objects = _latest(_objects(store, prefix))
    # Those of other prefixes are read in vain: that pays only for so many results.
    worth = int(sum(one.rows for one in objects) * _ROW_COST)
    first += islice(results, max(worth - len(first), 0))
    copies: Iterator[Copy] = iter(())
    with ExitStack() as stack:
        if objects and len(first) >= worth:
            with _warned():
                copies = stack.enter_context(_fetched(store, objects))()
        for entry, copy in _joined(chain(first, results), copies):
            yield entry, copy and copy.document()


@contextmanager
def _warned() -> Iterator[None]:
    """What the store or this machine does not allow costs copies, and no more."""
    try:
        yield
    except (StoreUnavailable, StoreRefused, OSError) as error:
        log.warning("copies of results cannot be read, and results are asked for one by one: %s", error)


def tidy(store: Store, prefix: str, results: Callable[[], Iterable[ObjectInfo]]) -> int:
    """Delete the copies that do not count; where there are any, or objects are small, write the others anew, sorted by key.

    Args:
        store: the object store.
        prefix: as :func:`with_copies` has it.
        results: lists all results that copies are kept of, in key order.

    Returns:
        How many were deleted.
    """
    objects = _objects(store, prefix)
    groups = (objects[start : start + _MAX_OBJECTS] for start in range(0, len(objects), _MAX_OBJECTS))
    return sum(_tidy(store, prefix, results, group) for group in groups)


def _tidy(store: Store, prefix: str, results: Callable[[], Iterable[ObjectInfo]], objects: Sequence[_Object]) -> int:
    rows = sum(one.rows for one in objects)
    with _fetched(store, objects) as copies:
        stale = rows - sum(1 for _ in _counting(results(), copies()))
        if stale or len(objects) > 2 * math.ceil(rows / MAX_ROWS):
            left = _counting(results(), copies())
            while len(some := list(islice(left, MAX_ROWS))) >= MIN_ROWS:
                write(store, prefix, some)
            for one in objects:
                store.delete(store.settings.results_bucket, one.key)
    return stale


def _latest(objects: list[_Object]) -> list[_Object]:
    """So many objects as are read at a time, and as pay for the results that are listed ahead."""
    latest = objects[-_MAX_OBJECTS:]
    while sum(one.rows for one in latest) * _ROW_COST > _MAX_AHEAD:
        latest = latest[len(latest) // 10 + 1 :]
    if len(latest) < len(objects):
        log.warning(
            "of %d objects with copies of results the latest %d are read: cosmoformer prune", len(objects), len(latest)
        )
    return latest


def _counting(results: Iterable[ObjectInfo], copies: Iterator[Copy]) -> Iterator[Copy]:
    return (copy for _, copy in _joined(results, copies) if copy)


def _objects(store: Store, prefix: str) -> list[_Object]:
    """Objects with copies, the latest ones last."""
    listed = store.list(store.settings.results_bucket, prefix) if prefix else ()
    named = ((_NAME.fullmatch(entry.key.removeprefix(prefix)), entry.key) for entry in listed)
    return [_Object(key, min(int(match["rows"]), MAX_ROWS)) for match, key in named if match]


@contextmanager
def _fetched(store: Store, objects: Sequence[_Object]) -> Iterator[Callable[[], Iterator[Copy]]]:
    """What reads the copies in some objects, in the order of their keys."""
    with TemporaryFile() as file:
        places = []
        for found in map_stream(lambda one: store.read(store.settings.results_bucket, one.key), objects):
            if found:  # else it was tidied away
                start = file.tell()
                file.write(found[0])
                places.append((start, file.tell()))
        file.flush()
        yield lambda: heapq.merge(*(_copies(file.fileno(), *place) for place in places), key=lambda copy: copy.key)


def _copies(file: int, start: int, end: int) -> Iterator[Copy]:
    """The copies in one object, up to whatever in it cannot be read."""
    unpacking, rest = zlib.decompressobj(_GZIP), b""
    try:
        for at in range(start, end, _CHUNK_BYTES):
            chunk = os.pread(file, min(_CHUNK_BYTES, end - at), at)
            *lines, rest = (rest + unpacking.decompress(chunk)).split(b"\n")
            yield from map(_copy, lines)
        if not unpacking.eof:
            raise ValueError("it was cut off")
        yield _copy(rest)
    except (ValueError, OSError, zlib.error) as error:
        log.warning("an object with copies of results is broken, and its results are read one by one: %s", error)


def _copy(line: bytes) -> Copy:
    key, etag, result = line.split(b"\t", 2)
    return Copy(str(strict_json.loads(key)).encode(), etag.decode(), result)


def _joined(results: Iterable[ObjectInfo], copies: Iterator[Copy]) -> Iterator[tuple[ObjectInfo, Copy | None]]:
    """Each result with a copy of it that counts, if there is one."""
    copy = next(copies, None)
    for entry in results:
        key, found = entry.key.encode(), None
        while copy is not None and copy.key <= key:
            if (copy.key, copy.etag) == (key, entry.etag):
                found = copy
            copy = next(copies, None)
        yield entry, found
