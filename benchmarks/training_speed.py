"""Images a second of training: ``python -m benchmarks.training_speed [--device cuda]``.

The same recipe, optimiser and augmentation (by default the thesis's) on the same parameters, once computed by our graph,
compiled on a GPU as training does, and once by vit-pytorch's own; and what feeds them: the feeder by itself, against decoding
each JPEG anew as the thesis's loader did.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import training
from benchmarks import harness, pictures
from benchmarks.harness import Goal, Report
from cosmoformer.cpus import cpu_limit
from training.data.cache import ImageCache
from training.data.feeder import Batch, Feeder
from training.loop import recipe
from training.loop.distributed import Place
from training.loop.job import Job
from training.loop.recipe import Recipe
from training.loop.trainer import Trainer
from training.models.crossformer import CrossFormerGraph
from training.tasks import find

assert training  # mends torchvision, which the decoding loader needs
OURS, THEIRS = "step, our graph", "step, vit-pytorch's graph"
FEEDER, DECODING, TOGETHER = "feeder alone", "decoding each JPEG (one worker)", "feeder and step, our graph"
_SIDE = 224  # pixels


def main(argv: list[str] | None = None) -> Report:
    """Entry point."""
    parser = harness.parser("training_speed", "Images a second of training.")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--batch", type=int, default=0, help="images a step (default: 16 on a CPU, 128 on a GPU)")
    parser.add_argument("--recipe", default="thesis", help="whose optimiser and augmentation (default: thesis)")
    parser.add_argument("--side", type=int, default=_SIDE, help=f"of the images, pixels (default: {_SIDE})")
    parser.add_argument("--threads", type=int, default=cpu_limit(), help="of torch on the CPU (default: all CPUs)")
    options = parser.parse_args(argv)
    device = torch.device(options.device)
    on_gpu = device.type == "cuda"
    torch.set_num_threads(1 if options.quick else options.threads)
    size = 2 if options.quick else options.batch or (128 if on_gpu else 16)
    rounds, steps = (1, 1) if options.quick else (5, 20 if on_gpu else 2)
    side = options.side
    chosen = recipe.load(options.recipe, [f"batch_size={size}", f"image_size={side}", "sides=[]", "teacher=[]"])
    told = {"quick": options.quick, "device": _device_name(device), "batch": size, "recipe": options.recipe}
    report = Report("training_speed", f"Training at {side}², batches of {size}, on {_device_name(device)}", told)
    cache = _cache(images=size * max(4, steps), side=side)
    with tempfile.TemporaryDirectory() as scratch:
        variants = _variants(cache, Place(0, 1, device), Path(scratch), chosen, steps)
        for variant in variants.values():
            variant()
        samples = harness.interleaved(rounds, variants)
    for name, rates in samples.items():
        report.add(name, "images/s", rates, "1/s")
    _judge(report, samples)
    if on_gpu:
        report.goals.append(Goal("images/s, feeder and step", report.median(TOGETHER, "images/s"), 6000, at_least=True))
    harness.write(report, options.out)
    return report


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"


def _cache(images: int, side: int) -> ImageCache:
    """Galaxies in memory, as a cache maps them from its file."""
    task = find("clean5")
    decoded = [_decoded(jpeg, side) for jpeg in pictures.galaxies()]
    pixels = np.stack([decoded[row % len(decoded)] for row in range(images)])
    labels = np.arange(images, dtype=np.int64) % len(task.classes)
    targets = np.full((images, len(task.targets)), np.nan, np.float32)
    uids = tuple(map(str, range(images)))
    return ImageCache(pixels, labels, targets, uids, task.classes, "benchmark", ())


def _decoded(jpeg: bytes, side: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB").resize((side, side)), np.uint8)


def _variants(
    cache: ImageCache, place: Place, folder: Path, chosen: Recipe, steps: int
) -> dict[str, Callable[[], float]]:
    is_on_gpu = place.device.type == "cuda"  # where training compiles the model
    ours, theirs = (
        Trainer(Job(chosen, find("clean5"), cache, cache, folder / name, place, compile=name == "ours" and is_on_gpu))
        for name in ("ours", "theirs")
    )
    graph = theirs.model
    assert isinstance(graph, CrossFormerGraph)
    theirs.network = graph.model  # vit-pytorch's module over the very parameters that the optimiser has
    for trainer in (ours, theirs):
        trainer.network.train()
    feeder = Feeder(cache, place.device)
    size, images = chosen.batch_size, chosen.batch_size * steps
    rows = [np.arange(start, start + size) for start in range(0, len(cache.labels) - size + 1, size)]
    batch = next(feeder.batches(rows))

    def rate(work: Callable[[], None], count: int) -> Callable[[], float]:
        def measure() -> float:
            started = time.perf_counter()
            work()
            if place.device.type == "cuda":
                torch.cuda.synchronize()
            return count / (time.perf_counter() - started)

        return measure

    return {
        OURS: rate(lambda: _steps(ours, [batch] * steps), images),
        THEIRS: rate(lambda: _steps(theirs, [batch] * steps), images),
        TOGETHER: rate(lambda: _steps(ours, feeder.batches(rows[:steps])), images),
        FEEDER: rate(lambda: _exhaust(feeder.batches(rows)), size * len(rows)),
        DECODING: rate(
            lambda: _exhaust(_decoded(jpeg, chosen.image_size) for jpeg in pictures.galaxies()),
            len(pictures.galaxies()),
        ),
    }


def _steps(trainer: Trainer, batches: Iterator[Batch] | list[Batch]) -> None:
    for batch in batches:
        trainer.step(batch)


def _exhaust(items: Iterator[object]) -> None:
    for _ in items:
        pass


def _judge(report: Report, samples: dict[str, list[float]]) -> None:
    report.goals += [
        Goal("our graph, against vit-pytorch's", harness.ratio(samples[OURS], samples[THEIRS]), 1.0, at_least=True),
        Goal(
            "feeder and step, against the step alone",
            harness.ratio(samples[TOGETHER], samples[OURS]),
            0.9,
            at_least=True,
        ),
        Goal("feeder, against the step", harness.ratio(samples[FEEDER], samples[OURS]), 1.0, at_least=True),
    ]
    bound = "the step" if report.median(FEEDER, "images/s") > report.median(OURS, "images/s") else "the feeder"
    report.notes.append(f"What bounds training here is {bound}.")


if __name__ == "__main__":
    main()
