"""What a second model beside the first costs the first: ``python -m benchmarks.side_by_side``.

Two whole systems run at once, one with the model ``inclination`` beside the first and one without, and take turns with one upload
each, so that every prediction has a core to spare. Measured is the time from the upload to the first model's result.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks import harness, pictures
from benchmarks.backlog import System, system
from benchmarks.harness import Goal, Report
from cosmoformer.served_models import settings_for
from cosmoformer.storage.results import ResultsBucket

SECOND = "inclination"
ALONE, BESIDE = "one model", f"with {SECOND} beside it"
_IDLE_S = 600.0  # both stay awake
_POLL_S, _LONGEST_S = 0.005, 120.0


def main(argv: list[str] | None = None) -> Report:
    """Entry point."""
    options = harness.parser("side_by_side", "What a second model costs the first.").parse_args(argv)
    rounds, warm = (2, 1) if options.quick else (60, 3)
    title = "Upload to the first model's result, one image at a time, all models awake"
    report = Report("side_by_side", title, {"quick": options.quick})
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as running:
        alone = running.enter_context(system(Path(scratch) / "alone", _IDLE_S))
        beside = running.enter_context(system(Path(scratch) / "beside", _IDLE_S, SERVED_MODELS=SECOND))
        further = ResultsBucket(beside.store, settings=settings_for(beside.settings, SECOND))
        files = pictures.endless()
        variants = {ALONE: _upload(alone, files), BESIDE: _upload(beside, files, further)}
        for action in variants.values():
            for _ in range(warm):
                action()
        samples = harness.interleaved(rounds, variants)
    for name, seconds in samples.items():
        report.add(name, "seconds", seconds, "s")
    slower = harness.ratio(samples[BESIDE], samples[ALONE])
    report.goals.append(Goal("first model's result, with a second model against without", slower, 1.05))
    harness.write(report, options.out)
    return report


def _upload(running: System, files: Iterator[bytes], further: ResultsBucket | None = None) -> Callable[[], float]:
    """An upload, timed to its first result; after it, the further model's is waited for, too."""
    bucket = running.settings.images_bucket

    def action() -> float:
        key = f"{time.monotonic_ns()}.jpg"
        begin = time.monotonic()
        running.store.write(bucket, key, next(files), "image/jpeg")
        _wait(running.results, key, begin)
        seconds = time.monotonic() - begin
        if further:
            _wait(further, key, begin)
        return seconds

    return action


def _wait(results: ResultsBucket, key: str, begin: float) -> None:
    while results.read(key) is None:
        if time.monotonic() - begin > _LONGEST_S:
            raise RuntimeError(f"no result of {key} within {_LONGEST_S:.0f} s")
        time.sleep(_POLL_S)


if __name__ == "__main__":
    main()
