"""Images that stream in while parts are killed, ended, held or starved: ``python -m benchmarks.chaos --images 350``.

A round for each row of :data:`benchmarks.disturbances.DISTURBANCES`. Four uploaders drop images at a steady rate and try again
until the store has taken each; at a third of them the disturbance begins. Afterwards every image must have one result, written
once, about the bytes that the bucket holds, with the class that the same galaxy has undisturbed; what was deleted must have none
that came later than that; nothing may be a dead letter.
"""

from __future__ import annotations

import itertools
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import harness, pictures
from benchmarks.disturbances import DISTURBANCES, Disturbance, DisturbedSystem
from benchmarks.harness import Goal, Report
from cosmoformer.errors import TransientError
from cosmoformer.storage.results import Result, result_key
from cosmoformer.storage.store import Store

_UPLOADERS = 4
_RATE = 20.0  # images a second; less than is judged in that time
_GRACE_S = 400.0  # until an image counts as lost; longer than a periodic sweep leaves images to their notifications
_LATE_S = 30.0
_MARKS = itertools.count()
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass
class Image:
    """One image of a round.

    Attributes:
        key: object key.
        galaxy: which of the pictures it shows now.
        settled: when the last thing was done to it: it was dropped, replaced or deleted.
        deleted: whether it was deleted.
        replaced: whether it was replaced.
    """

    key: str
    galaxy: int
    settled: datetime = _NEVER
    deleted: bool = False
    replaced: bool = False


@dataclass
class Round:
    """What a round came to; all but ``late_s`` count images.

    Attributes:
        name: of the disturbance.
        images: dropped.
        lost: without a result.
        wrong: whose result has another class, or is about other bytes.
        doubled: whose result was written more often than there were images.
        left: deleted ones with a result that was written later.
        dead_letters: events that were given up.
        late_s: seconds from the end of the disturbance, or from the image where it came later, to the last result.
    """

    name: str
    images: int
    lost: int
    wrong: int
    doubled: int
    left: int
    dead_letters: int
    late_s: float

    @property
    def faults(self) -> int:
        """All that must not be."""
        return self.lost + self.wrong + self.doubled + self.left + self.dead_letters


def reference(system: DisturbedSystem) -> list[str]:
    """The class of each galaxy, undisturbed."""
    images = [Image(f"reference/{number}.jpg", number) for number in range(len(pictures.galaxies()))]
    for image in images:
        _put(system.store, image)
    _wait(system, "reference/", images)
    return [_class(system.results.read(image.key)) for image in images]


def play(system: DisturbedSystem, disturbance: Disturbance, images: int, classes: list[str], number: int) -> Round:
    """One round, until every image has its result or counts as lost."""
    prefix = f"round-{number}/"
    letters = system.dead_letters()
    dropped = [Image(f"{prefix}{count:06}.jpg", count % len(classes)) for count in range(images)]
    stream = _Stream(system, disturbance, dropped)
    stream.wait_for(images // 3)
    disturbance.act(system)
    ended = datetime.now(UTC)
    stream.join()
    found = _wait(system, prefix, dropped)
    _settle(system)
    judged = {image.key: system.results.read(image.key) for image in dropped}
    kept = [image for image in dropped if not image.deleted]
    times = Counter(system.written(prefix))
    return Round(
        name=disturbance.name,
        images=images,
        lost=sum(judged[image.key] is None for image in kept),
        wrong=sum(not _is_right(system, image, judged[image.key], classes) for image in kept if judged[image.key]),
        doubled=sum(times[image.key] > 1 + image.replaced for image in dropped),
        left=sum(found.get(image.key, image.settled) > image.settled for image in dropped if image.deleted),
        dead_letters=system.dead_letters() - letters,
        late_s=max(
            (found[i.key] - max(ended, i.settled)).total_seconds() if i.key in found else _GRACE_S for i in kept
        ),
    )


class _Stream:
    """Drops images at a steady rate, in threads of its own."""

    def __init__(self, system: DisturbedSystem, disturbance: Disturbance, images: list[Image]) -> None:
        self._store, self._disturbance = system.store, disturbance
        self._dropped = threading.Semaphore(0)
        self._begun = time.monotonic()
        self._pool = ThreadPoolExecutor(_UPLOADERS)
        self._work = [self._pool.submit(self._drop, number, image) for number, image in enumerate(images)]

    def wait_for(self, count: int) -> None:
        """Wait until so many images have been dropped."""
        for _ in range(count):
            self._dropped.acquire()

    def join(self) -> None:
        """Wait until all have been."""
        for done in self._work:
            done.result()
        self._pool.shutdown()

    def _drop(self, number: int, image: Image) -> None:
        time.sleep(max(0.0, self._begun + number / _RATE - time.monotonic()))
        _put(self._store, image)
        self._dropped.release()
        if number % 3 == 0 and self._disturbance.overwrites:
            image.galaxy, image.replaced = (image.galaxy + 1) % len(pictures.galaxies()), True
            _put(self._store, image)
        if number % 3 == 0 and self._disturbance.deletes:
            self._store.delete(self._store.settings.images_bucket, image.key)
            image.settled, image.deleted = datetime.now(UTC), True


def _put(store: Store, image: Image) -> None:
    """Drop an image, as often as it takes."""
    content = pictures.marked(pictures.galaxies()[image.galaxy], next(_MARKS))
    while True:
        with suppress(TransientError):
            store.write(store.settings.images_bucket, image.key, content, "image/jpeg")
            image.settled = datetime.now(UTC)
            return
        time.sleep(0.2)


def _wait(system: DisturbedSystem, prefix: str, images: Iterable[Image]) -> dict[str, datetime]:
    """When the result of each image was written, by image key, once all are there or :data:`_GRACE_S` seconds are over."""
    settings = system.settings
    wanted = {result_key(settings, image.key): image for image in images if not image.deleted}
    places = {result_key(settings, image.key): image.key for image in images}
    deadline = time.monotonic() + _GRACE_S
    while True:
        found = {
            entry.key: entry for entry in system.store.list(settings.results_bucket, settings.results_prefix + prefix)
        }
        standing = [place for place, image in wanted.items() if place in found and _is_current(system, image)]
        if len(standing) == len(wanted) or time.monotonic() > deadline:
            return {places[key]: entry.last_modified for key, entry in found.items() if key in places}
        time.sleep(0.5)


def _is_current(system: DisturbedSystem, image: Image) -> bool:
    """Whether the result is about the bytes that the bucket holds; only replaced images need asking."""
    if not image.replaced:
        return True
    result = system.results.read(image.key)
    return bool(result and result["image"]["etag"] == system.store.head_image(image.key).etag)


def _settle(system: DisturbedSystem) -> None:
    """Wait until the broker has nothing left to do."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(OSError):
            if not system.outstanding():
                return
        time.sleep(0.5)


def _is_right(system: DisturbedSystem, image: Image, result: Result | None, classes: list[str]) -> bool:
    etag = system.store.head_image(image.key).etag
    return result is not None and _class(result) == classes[image.galaxy] and result["image"]["etag"] == etag


def _class(result: Result | None) -> str:
    return str(result["prediction"]["class"]) if result and result["prediction"] else "none"


def main(argv: list[str] | None = None) -> Report:
    """Entry point."""
    parser = harness.parser("chaos", "Images that stream in while parts are killed, ended, held or starved.")
    parser.add_argument("--images", type=int, default=350, help="in each round (default: %(default)s)")
    parser.add_argument("--rounds", nargs="+", metavar="NAME", help="only those whose names contain one of these words")
    options = parser.parse_args(argv)
    words = ["ingest", "delete"] if options.quick and not options.rounds else options.rounds or [""]
    chosen = [entry for entry in DISTURBANCES if any(word in entry.name for word in words)]
    images = 12 if options.quick else options.images
    told = {"quick": options.quick, "images": images, "rounds": [entry.name for entry in chosen]}
    report = Report("chaos", f"{images} images a round stream in while parts are killed, ended, held or starved", told)
    with tempfile.TemporaryDirectory() as scratch:
        system = DisturbedSystem(Path(scratch))
        try:
            system.start()
            classes = reference(system)
            rounds = [_told(play(system, entry, images, classes, number)) for number, entry in enumerate(chosen)]
        finally:
            system.close()
    _fill(report, rounds)
    harness.write(report, options.out)
    return report


def _told(done: Round) -> Round:
    print(f"{done.name}: {done.faults} faults, last result after {done.late_s:.1f} s", flush=True)
    return done


def _fill(report: Report, rounds: list[Round]) -> None:
    for done in rounds:
        report.add(done.name, "last result after the end", [max(0.0, done.late_s)], "s")
        report.add(done.name, "faults", [done.faults], "")
    report.data["rounds"] = [asdict(done) for done in rounds]
    counts = {"lost": "lost", "wrong": "with a wrong result", "doubled": "with a result written twice"}
    counts |= {"left": "deleted, with a result left behind", "dead_letters": "given up"}
    for name, words in counts.items():
        report.goals.append(Goal(f"images {words}", sum(getattr(done, name) for done in rounds), 0))
    report.goals.append(Goal("seconds until the last result, longest", max(done.late_s for done in rounds), _LATE_S))


if __name__ == "__main__":
    main()
