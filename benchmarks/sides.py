"""One prediction of the CrossFormer at each side that it takes, on one thread: ``python -m benchmarks.sides``.

The artifact, from an original of 424 pixels to probabilities, turn by turn with the side that the bundled model has, in the
thread's own time. The weights are random: their values change no timing.
"""

from __future__ import annotations

import time

import torch

from benchmarks import harness
from benchmarks.harness import Report
from benchmarks.models import packed
from cosmoformer.models import artifact
from training import models
from training.models.crossformer import MODEL
from training.tasks import find

SIDES = MODEL.image_sizes
SERVED = 112  # pixels, of the bundled model
AGAINST = f"against {SERVED} pixels"
_ORIGINAL = 424
_TASK = find("clean5").looking_at(224 / _ORIGINAL)  # as the bundled model


def main(argv: list[str] | None = None) -> Report:
    """Entry point."""
    options = harness.parser("sides", "One prediction of the CrossFormer at each side, on one thread.").parse_args(argv)
    rounds = 2 if options.quick else 60
    torch.set_num_threads(1)
    title = f"One prediction of the CrossFormer at each side, one thread, against {SERVED} pixels"
    report = Report("sides", title, {"quick": options.quick})
    image = torch.randint(0, 256, (1, 3, _ORIGINAL, _ORIGINAL), dtype=torch.uint8)
    of_sides = {side: _model(side) for side in SIDES}

    def seconds(side: int) -> float:
        return harness.timed(lambda: of_sides[side].predict(image), time.thread_time)

    for side in SIDES:
        for _ in range(3):  # the first predictions are slower
            seconds(side)
    samples = harness.interleaved(rounds, {told(side): lambda side=side: seconds(side) for side in SIDES})  # type: ignore[misc]
    for name, found in samples.items():
        report.add(name, "seconds", found, "s")
        report.add(name, AGAINST, [harness.ratio(found, samples[told(SERVED)])], "")
    harness.write(report, options.out)
    return report


def told(side: int) -> str:
    """A side in words."""
    return f"{side} pixels"


def _model(side: int) -> artifact.Artifact:
    kind = models.find(MODEL.name)
    torch.manual_seed(0)
    return artifact.load(packed(kind, _TASK, side, kind.build(_TASK.outputs, side).state_dict())[0])


if __name__ == "__main__":
    main()
