"""Like galaxies among many, and what their vectors cost: ``python -m benchmarks.similar``.

The index of ``cosmoformer similar`` with 100,000 vectors, asked for ten neighbours, against comparing with every vector. The
vectors are those of rendered galaxies by the bundled model, each of many moved by part of the difference between two others, so
that they spread as those of galaxies do. Then one prediction of that model with its vector kept, against the same graph without.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import harness
from benchmarks.harness import Goal, Report
from cosmoformer.likeness.index import Index
from cosmoformer.models import artifact
from cosmoformer.models.artifact import Artifact
from cosmoformer.models.bundled import bundle
from cosmoformer.models.prediction import described, predict
from cosmoformer.models.registry import ModelIdentity
from cosmoformer.render.population import draw
from cosmoformer.storage.features import Seen, document
from training.export import module_of, write
from training.heads.last_layer import task_of
from training.repack import repacked

INDEX, EXACT = "index", "comparing with every vector"
WITH, WITHOUT = "features kept", "no features"
SIDE, RENDERED = 424, 128  # pixels of an original, and of a rendered one
_WANTED, _SHARE, _OBJECT = 10, 0.3, 200
Vectors = NDArray[np.float16]


def main(argv: list[str] | None = None) -> Report:
    """Entry point."""
    options = harness.parser("similar", "Like galaxies among many, and what their vectors cost.").parse_args(argv)
    torch.set_num_threads(1)
    model = describing_model()
    report = Report("similar", "Ten neighbours of a vector; a prediction with features", {"quick": options.quick})
    _search(report, vectors_like(model, *((60, 2_000) if options.quick else (1_000, 100_000))), options.quick)
    _predict(report, model, 5 if options.quick else 300)
    harness.write(report, options.out)
    return report


def describing_model() -> Artifact:
    """The bundled model, which gives features if it does not already."""
    bundled = bundle().artifact
    return artifact.load(bundled if artifact.read_metadata(bundled).features else repacked(bundled))


def vectors_like(model: Artifact, galaxies: int, count: int) -> Vectors:
    """Feature vectors, float16 (count, F), spread as those of rendered galaxies.

    Args:
        model: gives feature vectors.
        galaxies: how many are rendered.
        count: how many vectors there shall be.
    """
    generator = np.random.default_rng(0)
    pictures = (draw(RENDERED, np.random.default_rng([0, number])).pixels for number in range(galaxies))
    found = [model.describe(torch.from_numpy(picture).permute(2, 0, 1)[None])[1] for picture in pictures]
    known = np.concatenate([vector.numpy() for vector in found if vector is not None])
    own, one, other = generator.integers(0, len(known), (3, count))
    spread: Vectors = (known[own] + _SHARE * (known[one] - known[other])).astype(np.float16)
    return spread


def _search(report: Report, vectors: Vectors, quick: bool) -> None:
    questions = vectors[:: max(len(vectors) // (20 if quick else 500), 1)]
    index = Index(vectors.shape[1])
    report.add(INDEX, "building", [harness.timed(lambda: index.add(range(len(vectors)), vectors))], "s")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        index.save(path)
        report.add(INDEX, "file", [path.stat().st_size / 1e6], "MB")
        report.add(INDEX, "loading", [harness.timed(lambda: Index.load(path, vectors.shape[1]))], "s")
        index = Index.load(path, vectors.shape[1])
    compare, shares = _comparison(vectors), []
    for question in questions:  # both are warm afterwards
        found = {neighbour.number for neighbour in index.near(question, _WANTED)}
        shares.append(len(found & set(compare(question).tolist())) / _WANTED)
    ask = {INDEX: lambda question: index.near(question, _WANTED), EXACT: compare}
    for name, answer in ask.items():
        report.add(name, "ten neighbours", [_seconds(answer, question) for question in questions], "s")
    report.add(INDEX, "recall of ten", shares, "")
    seconds = report.figures[INDEX]["ten neighbours"]
    report.goals += [
        Goal(f"milliseconds for ten neighbours among {len(vectors):,}, third quartile", 1000 * seconds.q3, 50),
        Goal(f"recall of ten among {len(vectors):,}", float(np.mean(shares)), 0.95, at_least=True),
    ]


def _seconds(answer: Callable[[Vectors], object], question: Vectors) -> float:
    return harness.timed(lambda: answer(question))


def _comparison(vectors: Vectors) -> Callable[[Vectors], NDArray[np.intp]]:
    """The nearest of all vectors, by looking at each."""
    units = vectors.astype(np.float32)
    units /= np.linalg.norm(units, axis=1, keepdims=True)

    def nearest(question: Vectors) -> NDArray[np.intp]:
        return np.argpartition(-(units @ question.astype(np.float32)), _WANTED)[:_WANTED]

    return nearest


def _predict(report: Report, model: Artifact, rounds: int) -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (1, 3, SIDE, SIDE), dtype=torch.uint8, generator=generator)
    plain, name, rows = without_features(model), ModelIdentity("cosmoformer", 1, model.sha256), list[Seen]()

    def keep() -> None:
        rows.append(Seen("uploads/galaxy.jpg", "e" * 32, described(model, pixels)[1]))
        if len(rows) >= _OBJECT:  # what a process writes at once; the request itself waits for the store, not the CPU
            json.dumps(document(name, rows))
            rows.clear()

    variants: dict[str, Callable[[], object]] = {WITH: keep, WITHOUT: lambda: predict(plain, pixels)}
    for _ in range(3):
        for action in variants.values():
            action()
    samples = harness.interleaved(rounds, {name: _timer(action) for name, action in variants.items()})
    for variant, seconds in samples.items():
        report.add(variant, "seconds", seconds, "s")
    report.goals.append(
        Goal("prediction with features kept, against none", harness.ratio(samples[WITH], samples[WITHOUT]), 1.02)
    )


def _timer(action: Callable[[], object]) -> Callable[[], float]:
    return lambda: harness.timed(action, time.thread_time)


def without_features(model: Artifact) -> Artifact:
    """The artifact of the same graph and weights whose last step gives the outputs alone."""
    stream = io.BytesIO()
    torch.jit.save(model.module, stream)
    module: Any = torch.jit.load(io.BytesIO(stream.getvalue())).eval()
    graph = module.core.graph
    outputs = next(iter(next(iter(graph.outputs())).node().inputs())).node()
    alone = next(iter(outputs.inputs()))
    graph.eraseOutput(0)
    graph.registerOutput(alone)
    facts = replace(model.metadata, features=0)
    return artifact.load(write(module_of(module.core, task_of(model), facts), facts))


if __name__ == "__main__":
    main()
