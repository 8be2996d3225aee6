"""Image files into the images bucket."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from stat import S_ISREG
from typing import Literal

from cosmoformer.errors import CosmoFormerError, StoreUnavailable
from cosmoformer.images.formats import media_type
from cosmoformer.settings import Settings
from cosmoformer.storage.image_files import ImageFile
from cosmoformer.storage.keys import MAX_KEY_BYTES
from cosmoformer.storage.sky_objects import Told, as_metadata, others, told_of
from cosmoformer.storage.store import ObjectInfo, Store
from cosmoformer.storage.watching import PARALLEL, look_up

_GIVE_UP_AFTER = 20  # failures of the store in a row


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Attributes:
        file: the file.
        state: what was done with it; ``told`` where the bucket had it, and now has what is told of its object.
        reason: why it failed.
        store_failed: whether the store, not the file, was at fault.
    """

    file: ImageFile
    state: Literal["dropped", "told", "skipped", "failed"]
    reason: str = ""
    store_failed: bool = False


def drop_files(
    store: Store,
    files: list[ImageFile],
    advance: Callable[[int], None] = lambda _: None,
    told: Mapping[str, Told] | None = None,
) -> list[Outcome]:
    """Upload image files, several at once; what the bucket already holds, by key, size and MD5, is skipped.

    Args:
        store: the object store.
        files: the files and their keys.
        advance: called with the number of files done so far.
        told: what is known of the objects in them, by key; written as metadata, also of files that the bucket holds.

    Returns:
        What became of each; one bad file ends nothing.

    Raises:
        StoreUnavailable: twenty uploads in a row failed.
    """
    fit, outcomes = _sort_out(store.settings, files)
    known = told or {}
    present = look_up(store, store.settings.images_bucket, [file.key for file in fit])
    failures = 0
    with ThreadPoolExecutor(PARALLEL) as pool:
        try:
            for outcome in pool.map(lambda file: _drop(store, file, present.get(file.key), known.get(file.key)), fit):
                outcomes.append(outcome)
                advance(len(outcomes))
                failures = failures + 1 if outcome.store_failed else 0
                if failures == _GIVE_UP_AFTER:
                    raise StoreUnavailable(f"{failures} uploads in a row failed: {outcome.reason}", "Drop again later")
        except BaseException:
            pool.shutdown(cancel_futures=True)  # Ctrl-C ends the uploads under way, not those in line
            raise
    return outcomes


def _sort_out(settings: Settings, files: list[ImageFile]) -> tuple[list[ImageFile], list[Outcome]]:
    """The files that can be uploaded, and why the others cannot."""
    fit: dict[str, ImageFile] = {}
    unfit = []
    for file in files:
        if file.key in fit:
            reason = f"{fit[file.key].path} has the same object key {file.key!r}; drop them with different --prefix"
            unfit.append(Outcome(file, "failed", reason))
        elif reason := _bad_key(settings, file.key):
            unfit.append(Outcome(file, "failed", reason))
        else:
            fit[file.key] = file
    return list(fit.values()), unfit


def _bad_key(settings: Settings, key: str) -> str:
    if not key.startswith(settings.images_prefix):
        return f"object key {key!r} does not start with IMAGES_PREFIX {settings.images_prefix!r}; set --prefix"
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        return "its name is not UTF-8, as object keys must be; rename it"
    return f"its object key has {length} bytes, {MAX_KEY_BYTES} are allowed" if length > MAX_KEY_BYTES else ""


def _drop(store: Store, file: ImageFile, present: ObjectInfo | None, told: Told | None) -> Outcome:
    settings = store.settings
    try:
        facts = file.path.stat()
        if not S_ISREG(facts.st_mode):  # reading a pipe would wait for ever
            return Outcome(file, "failed", "it is no file but a pipe, socket or device")
        size = facts.st_size
        if size > settings.max_image_bytes:
            reason = f"it has {size:,} bytes; at most {settings.max_image_bytes:,} are classified (MAX_IMAGE_BYTES)"
            return Outcome(file, "failed", reason)
        content = file.path.read_bytes()
        kind = media_type(file.path.name, content)
        if present and present.size == size and present.etag == _md5(content):
            return _tell(store, file, kind, told) if told is not None else Outcome(file, "skipped")
        store.write(settings.images_bucket, file.key, content, kind, as_metadata(told) if told is not None else {})
    except OSError as error:
        return Outcome(file, "failed", error.strerror or str(error))
    except CosmoFormerError as error:
        return Outcome(file, "failed", str(error), store_failed=True)
    return Outcome(file, "dropped")


def _tell(store: Store, file: ImageFile, content_type: str, told: Told) -> Outcome:
    """Tell what is known of the object in an image that the bucket holds."""
    there = store.head_image(file.key)
    if told_of(store.settings, there).known == told.known:
        return Outcome(file, "skipped")
    if store.write_metadata(there, content_type, others(there.metadata) | as_metadata(told)):
        return Outcome(file, "told")
    return Outcome(file, "failed", "another image took its place in this moment; drop it again")


def _md5(content: bytes) -> str:
    """The eTag of an object that was written in one part."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
