"""What vote fractions cost beside classes: ``python -m benchmarks.votes``.

The bundled artifact, from pixels to all of its outputs, against the very same graph and weights that tell the classes alone; one
picture, one thread, turn by turn. The fractions come from the same pass through the network, so that what is measured is the
softmax of each question.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks import harness
from benchmarks.harness import Goal, Report
from cosmoformer.models import artifact
from cosmoformer.models.artifact import Artifact
from cosmoformer.models.bundled import bundle
from training.artifact.classifier import Classifier

WITH, WITHOUT = "classes and votes", "classes alone"
SIDE = 424  # pixels of an original


def main(argv: list[str] | None = None) -> Report:
    """Entry point."""
    options = harness.parser("votes", "What vote fractions cost beside classes.").parse_args(argv)
    rounds = 5 if options.quick else 300
    torch.set_num_threads(1)
    both = artifact.load(bundle().artifact)
    variants = {WITH: both, WITHOUT: classes_alone(both)}
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (1, 3, SIDE, SIDE), dtype=torch.uint8, generator=generator)
    for model in variants.values():
        for _ in range(3):
            model.predict(pixels)
    samples = harness.interleaved(rounds, {name: _timer(model, pixels) for name, model in variants.items()})
    report = Report("votes", "One prediction of the bundled model, with votes and without", {"quick": options.quick})
    for name, seconds in samples.items():
        report.add(name, "seconds", seconds, "s")
    report.goals.append(
        Goal("votes and classes, against classes alone", harness.ratio(samples[WITH], samples[WITHOUT]), 1.02)
    )
    harness.write(report, options.out)
    return report


def classes_alone(model: Artifact) -> Artifact:
    """The artifact of the same traced graph and weights that tells the classes alone."""
    facts = model.metadata
    told = Classifier(
        artifact.load(bundle().artifact).module.core,
        facts.input_size,
        facts.crop,
        facts.temperature,
        len(facts.classes),
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        extra = {
            artifact.METADATA: json.dumps(asdict(replace(facts, fractions=None, values=(), features=0))),
            artifact.SELF_CHECK: _check(model),
        }
        torch.jit.save(torch.jit.script(told.eval()), str(path), _extra_files=extra)
        return artifact.load(path.read_bytes())


def _check(model: Artifact) -> str:
    """A self-check for the classes alone: those of the artifact with votes."""
    images = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    expected = model.predict(images)[:, : len(model.metadata.classes)]
    members = {
        "shape": list(images.shape),
        "pixels": images.numpy().tobytes().hex(),
        "probabilities": expected.tolist(),
    }
    return json.dumps(members)


def _timer(model: Artifact, pixels: torch.Tensor) -> Callable[[], float]:
    return lambda: harness.timed(lambda: model.predict(pixels))


if __name__ == "__main__":
    main()
