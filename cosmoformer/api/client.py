"""A running system from Python: images go in, results come out as a table.

The object store is spoken to, as ``cosmoformer drop`` and ``cosmoformer results`` do; the functions wake by themselves. The
registry is only asked, where several models are served, which of them have a champion whose results can be waited for.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from cosmoformer.errors import ObjectGone, PermanentError, TransientError
from cosmoformer.settings import Settings, load
from cosmoformer.settings_file import effective_environment
from cosmoformer.storage.dropping import drop_files
from cosmoformer.storage.image_files import find_images
from cosmoformer.storage.results import Result
from cosmoformer.storage.side_by_side import all_rows
from cosmoformer.storage.store import Store
from cosmoformer.storage.tables import table_of
from cosmoformer.storage.votable import write_votable
from cosmoformer.storage.waiting import GONE, gathered, wait_for, with_further
from cosmoformer.storage.watching import look_up

if TYPE_CHECKING:
    import pandas
    from astropy.table import Table

_NAMED = 5  # images in an error's message


@dataclass(frozen=True)
class Dropped:
    """What became of the files that were dropped.

    Attributes:
        keys: object keys of those that are in the bucket now, in order.
        failed: why a file or folder is not, by its path.
        left_out: likewise, of what has no suffix of an image, or is hidden.
    """

    keys: tuple[str, ...] = ()
    failed: dict[Path, str] = field(default_factory=dict)
    left_out: dict[Path, str] = field(default_factory=dict)


class Results(Sequence[Result]):
    """Results, each as its JSON object has it (docs/results.md), and all of them as a table."""

    def __init__(self, results: Iterable[Result]) -> None:
        self._results = list(results)

    @overload
    def __getitem__(self, index: int) -> Result: ...

    @overload
    def __getitem__(self, index: slice) -> Results: ...

    def __getitem__(self, index: int | slice) -> Result | Results:
        return Results(self._results[index]) if isinstance(index, slice) else self._results[index]

    def __len__(self) -> int:
        return len(self._results)

    def to_pandas(self) -> pandas.DataFrame:
        """A frame with the columns of `cosmoformer results --csv`.

        Raises:
            PermanentError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise PermanentError("a frame needs pandas", "pip install pandas") from None
        table = table_of(self._results)
        return pandas.DataFrame(list(table.rows()), columns=[column.name for column in table.columns])

    def to_table(self) -> Table:
        """An astropy table with the columns of `cosmoformer results --votable`, their units, descriptions and UCDs.

        Raises:
            PermanentError: astropy is not installed.
        """
        try:
            from astropy.table import Table
        except ImportError:
            raise PermanentError("a table needs astropy", "pip install 'cosmoformer[classify]'") from None
        stream = io.BytesIO()
        write_votable(table_of(self._results), stream)
        stream.seek(0)
        return Table.read(stream, format="votable")


class Client:
    """The system that the settings name: the one of `cosmoformer up` on this machine, or a cluster's.

    Args:
        settings: where it is; None is the environment, and beneath it what `cosmoformer up` chose.
        overrides: single settings by lower-case name, such as ``s3_endpoint_url``.

    Raises:
        SettingsError: a setting is missing or malformed.
    """

    def __init__(self, settings: Settings | None = None, **overrides: Any) -> None:
        self.settings = settings or load(effective_environment(), **overrides)
        self._store = Store(self.settings)

    def drop(self, paths: str | Path | Iterable[str | Path], *, prefix: str = "") -> Dropped:
        """Upload image files, which are then classified.

        Args:
            paths: files, folders (with all image files in them, at any depth) or patterns such as ``night/**/*.fits``.
            prefix: start of every object key.

        Raises:
            InvalidRequest: a path names no image file.
            StoreUnavailable: the store does not answer.
        """
        words = [paths] if isinstance(paths, str | Path) else paths
        found = find_images(map(str, words), prefix)
        outcomes = drop_files(self._store, found.files)
        failed = dict(found.unreadable)
        failed |= {outcome.file.path: outcome.reason for outcome in outcomes if outcome.state == "failed"}
        done = {outcome.file.key for outcome in outcomes if outcome.state != "failed"}
        return Dropped(tuple(file.key for file in found.files if file.key in done), failed, dict(found.left_out))

    def results(self, prefix: str = "") -> Results:
        """The results of all images whose key starts with ``prefix``, in the order of their keys.

        Where several models are served, each has those of further ones as :func:`cosmoformer.storage.side_by_side.row` says.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        return Results(all_rows(self._store, prefix))

    def wait(self, keys: Iterable[str], *, timeout_s: float | None = None) -> Results:
        """The results of some images, once all are there, in the order of ``keys``.

        Where several models are served, each has those of further ones, as :meth:`results` has. These are waited for while they
        keep coming, within ``timeout_s``; a result is without those that do not.

        Args:
            keys: object keys, such as :attr:`Dropped.keys`.
            timeout_s: how long to wait, seconds; None is for as long as the images are there.

        Raises:
            PermanentError: there is no image under a key.
            ObjectGone: some were deleted or replaced by other files meanwhile, while the others have results now; the message
                names them.
            TransientError: some have no result in time; the message says how many.
            StoreUnavailable: the store does not answer.
        """
        wanted, begun = list(keys), time.monotonic()
        images = {key: info.etag for key, info in look_up(self._store, self.settings.images_bucket, wanted).items()}
        if absent := [key for key in wanted if key not in images]:
            raise PermanentError(f"no image {absent[0]!r} in {self.settings.images_bucket!r}", "Drop it first")
        until = None if timeout_s is None else begun + timeout_s
        found, gone = gathered(wait_for(self._store, images), until=until)
        if missing := len(images) - len(found) - len(gone):
            raise TransientError(
                f"{missing} of {len(images)} images have no result after {timeout_s:.0f} s",
                "`cosmoformer doctor` says what is wrong",
            )
        if gone:
            names = ", ".join(map(repr, gone[:_NAMED])) + (", …" if len(gone) > _NAMED else "")
            raise ObjectGone(
                f"{len(gone)} of {len(images)} images were {GONE} while they were waited for: {names}",
                "Drop them again; `results` has what the others are",
            )
        rows = with_further(self._store, found, until=until)
        return Results(rows[key] for key in wanted)
