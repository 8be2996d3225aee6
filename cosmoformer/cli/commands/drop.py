"""``cosmoformer drop``: image files into the images bucket."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import Literal

import click

from cosmoformer.cli.commands.results import result_table
from cosmoformer.cli.environment import with_settings
from cosmoformer.cli.images import ImageFile, find_images
from cosmoformer.cli.watching import PARALLEL, look_up, wait_for
from cosmoformer.errors import CosmoFormerError, PermanentError, StoreUnavailable
from cosmoformer.images.formats import media_type
from cosmoformer.settings import Settings
from cosmoformer.storage.results import MAX_KEY_BYTES, Result
from cosmoformer.storage.store import ObjectInfo, Store
from cosmoformer.terminal import console, progress
from cosmoformer.text import printable

_NAMED = 20  # of what is left out, one by one
_GIVE_UP_AFTER = 20  # failures of the store in a row


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Attributes:
        file: the file.
        state: what was done with it.
        reason: why it failed.
        store_failed: whether the store, not the file, was at fault.
    """

    file: ImageFile
    state: Literal["dropped", "skipped", "failed"]
    reason: str = ""
    store_failed: bool = False


@click.command(
    epilog="""\b
Examples:
  cosmoformer drop ~/galaxies --prefix night-1/
  cosmoformer drop 'survey/**/*.fits' --wait
"""
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--prefix", default="", help="Start of every object key.")
@click.option("--wait", is_flag=True, help="Wait until every image has its result, and show them.")
@with_settings
def command(settings: Settings, paths: tuple[str, ...], prefix: str, wait: bool) -> None:
    """Upload images to the images bucket, where they are classified.

    PATH is a file, a folder (with all image files in it, at any depth) or a quoted pattern such as 'night/**/*.png'. An
    object key is the prefix and the path below the folder, or below what stands before the pattern's first wildcard.

    What else stands in a folder, by its name no image, is named and counted at the end.

    What the bucket already holds, by key, size and MD5, is skipped: after an interruption, say the same again.
    """
    found = find_images(paths, prefix)
    store = Store(settings)
    unreadable = [Outcome(ImageFile(path, ""), "failed", reason) for path, reason in found.unreadable.items()]
    outcomes = unreadable + _drop_all(store, found.files)
    counts = {state: sum(outcome.state == state for outcome in outcomes) for state in ("dropped", "skipped", "failed")}
    for outcome in outcomes:
        if outcome.state == "failed":
            click.secho(f"failed: {printable(str(outcome.file.path))}: {printable(outcome.reason)}", fg="red", err=True)
    _name_left_out(found.left_out)
    summary = ", ".join(f"{count} {state}" for state, count in counts.items())
    click.echo(f"{summary}, {len(found.left_out)} left out" if found.left_out else summary)
    if wait:
        _wait(store, [outcome.file.key for outcome in outcomes if outcome.state != "failed"])
    if counts["failed"]:
        raise PermanentError(f"{counts['failed']} of {len(outcomes)} files were not dropped", "Each is named above")


def _name_left_out(left_out: Mapping[Path, str]) -> None:
    for path, reason in islice(left_out.items(), _NAMED):
        click.echo(f"left out: {printable(str(path))}: {reason}", err=True)
    if len(left_out) > _NAMED:
        rest = Counter(path.suffix.lower() or "no suffix" for path in islice(left_out, _NAMED, None))
        kinds = ", ".join(f"{count} with {printable(suffix)}" for suffix, count in rest.most_common(_NAMED))
        click.echo(f"left out: {len(left_out) - _NAMED:,} more: {kinds}", err=True)


def _drop_all(store: Store, files: list[ImageFile]) -> list[Outcome]:
    fit, outcomes = _sort_out(store.settings, files)
    present = look_up(store, store.settings.images_bucket, [file.key for file in fit])
    bar, advance = progress(console(stderr=True), "dropping", len(files))
    failures = 0
    with bar, ThreadPoolExecutor(PARALLEL) as pool:
        try:
            for outcome in pool.map(lambda file: _drop(store, file, present.get(file.key)), fit):
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


def _drop(store: Store, file: ImageFile, present: ObjectInfo | None) -> Outcome:
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
        if present and present.size == size and present.etag == _md5(content):
            return Outcome(file, "skipped")
        store.write(settings.images_bucket, file.key, content, media_type(file.path.name, content))
    except OSError as error:
        return Outcome(file, "failed", error.strerror or str(error))
    except CosmoFormerError as error:
        return Outcome(file, "failed", str(error), store_failed=True)
    return Outcome(file, "dropped")


def _md5(content: bytes) -> str:
    """The eTag of an object that was written in one part."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _wait(store: Store, keys: list[str]) -> None:
    images = {key: info.etag for key, info in look_up(store, store.settings.images_bucket, keys).items()}
    results = sorted(_waited_for(store, images), key=lambda result: str(result["image"]["key"]))
    out = console()
    out.print(result_table(out, results))


def _waited_for(store: Store, images: Mapping[str, str]) -> Iterator[Result]:
    bar, advance = progress(console(stderr=True), "waiting for results", len(images))
    done = 0
    with bar:
        for results in wait_for(store, images):
            yield from results
            done += len(results)
            advance(done)
